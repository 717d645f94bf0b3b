"""Timelines against a naive merge where every limit is a handful, so that each is passed often."""

import pytest

from realtime.chat import feeds as feeds_module
from realtime.chat import timelines, upkeep
from tests.unit.chat.test_timelines_stateful import FEW, Timelines

pytestmark = pytest.mark.timeout(300)


class TightTimelines(Timelines):
    """The same where a few spans, copies and waiting posts are as many as there may be."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = pytest.MonkeyPatch()
        self.patches.setattr(timelines, "SPOTS_MAX", 8)
        self.patches.setattr(timelines, "WAITING_MAX", 2)
        self.patches.setattr(feeds_module, "UNSEEN_MAX", 2)
        self.patches.setattr(upkeep, "COPIES_MAX", 3)

    def teardown(self) -> None:
        """And loosen everything."""
        try:
            super().teardown()
        finally:
            self.patches.undo()

    def check_unseen(self, user: str, unseen: int | None, expected: list[str]) -> None:
        """Where a page has to be cut it counts less."""


TestTightTimelines = TightTimelines.TestCase
TestTightTimelines.settings = FEW
