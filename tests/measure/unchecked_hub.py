"""A hub that does not compare positions now and then, for measurements on `nx-27017`.

That server answers the question (design 3, "what did I miss?") by looking at every entry for every
channel, for half a minute with a thousand channels; one with an index answers in milliseconds.
"""

import sys
from typing import Final

from realtime.cli import main
from realtime.hub.hub import Hub

MODULE: Final = "tests.measure.unchecked_hub"

if __name__ == "__main__":
    defaults = Hub.__init__.__kwdefaults__
    assert defaults is not None
    defaults["position_check_s"] = 3600.0
    sys.exit(main())
