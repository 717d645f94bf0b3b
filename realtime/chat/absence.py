"""Who has been away from their timeline for too long for posts to be copied to it. Pure."""

from typing import Final

from realtime.rows import MemberRow
from realtime.settings.schema import ChatSettings

LOOKS_EVERY_MS: Final = 24 * 3_600_000
"""How often it is noted, at most, that a user looks at their timeline."""

AWAY_LEAST_MS: Final = 3_600_000
"""A shorter `chat.inactive_after` is taken for this."""


class Absence:
    """Decides, by the row of the user's own feed."""

    def __init__(self, settings: ChatSettings) -> None:
        after_ms = settings.inactive_after.ms
        self._away_after_ms = max(after_ms, AWAY_LEAST_MS) if after_ms else 0
        # Often enough that nobody who looks every day, or as often as that, is taken for away.
        every_ms = self._away_after_ms // 4 if after_ms else LOOKS_EVERY_MS
        self._looks_every_ms = min(every_ms, LOOKS_EVERY_MS)

    def is_away(self, own: MemberRow, now_ms: int) -> bool:
        """Whether nothing is copied to them."""
        return 0 < self._away_after_ms < now_ms - own.looked_at

    def is_back(self, own: MemberRow | None, now_ms: int) -> bool:
        """Whether it is to be noted that they look now, and their timeline is to be seen to."""
        if own is None or not own.covered_from:
            return True
        return now_ms - own.looked_at >= self._looks_every_ms
