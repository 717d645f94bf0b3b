"""The hub with copies of posts that count at once: `python -m tests.end_to_end.hurried_hub serve`.

A follower's copies count from a minute after the follow on, by which time a test has ended that
wants to see them.
"""

import sys
from typing import Final

import realtime.chat.service  # everything that has the constant is loaded by this
from realtime.cli import main

COVER_AFTER_MS: Final = 300

assert realtime.chat.service
for module in list(sys.modules.values()):
    if module.__name__.startswith("realtime.chat.") and hasattr(module, "COVER_AFTER_MS"):
        vars(module)["COVER_AFTER_MS"] = COVER_AFTER_MS

if __name__ == "__main__":
    sys.exit(main())
