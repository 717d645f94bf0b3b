"""Fake push services that never stop to collect garbage, for measurements.

With a hundred thousand phones in memory a collection takes a second, and what is measured is how
soon the services are called.
"""

import gc
import sys
from typing import Final

from realtime.cli import main

MODULE: Final = "tests.measure.steady_fakepush"

if __name__ == "__main__":
    gc.disable()
    sys.exit(main(["fakepush", *sys.argv[1:]]))
