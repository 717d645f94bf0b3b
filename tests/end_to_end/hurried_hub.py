"""The hub in a hurry: `python -m tests.end_to_end.hurried_hub serve`, or `worker`.

A follower's copies of posts count from a minute after the follow on, and what retention hides is
freed every half a minute: by then a test has ended that wants to see it.
"""

import sys
from typing import Final

import realtime.chat.service  # everything that has the constant is loaded by this
import realtime.cluster.retention
from realtime.cli import main

COVER_AFTER_MS: Final = 300

assert realtime.chat.service
for module in list(sys.modules.values()):
    if module.__name__.startswith("realtime.chat.") and hasattr(module, "COVER_AFTER_MS"):
        vars(module)["COVER_AFTER_MS"] = COVER_AFTER_MS
vars(realtime.cluster.retention)["ROUND_S"] = 0.5

if __name__ == "__main__":
    sys.exit(main())
