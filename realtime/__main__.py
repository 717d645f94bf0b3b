"""`python -m realtime` is the command `realtime`."""

import sys

from realtime.cli import main

sys.exit(main())
