"""What a user is in a channel, and what that allows. Pure."""

from typing import Final, Literal

import msgspec

from realtime.rows import MemberRow

ChannelRole = Literal["owner", "moderator", "member", "reader", "follower", "banned", ""]
"""From most to least; "" is nobody. A reader may not write, a follower follows a feed."""

FOR_EVER: Final = -1
"""`muted_until` and `banned_until` of what does not end by itself."""

_RANK: Final[dict[str, int]] = {"owner": 4, "moderator": 3, "member": 2, "reader": 1, "follower": 1}


class Standing(msgspec.Struct, frozen=True, gc=False):
    """A user's place in a channel, as of the `member` entry at `offset` (0: before any).

    `blocks`: it is a direct channel, and the user blocks the other one; no entry says that.
    """

    role: ChannelRole = ""
    muted_until: int = 0
    banned_until: int = 0
    offset: int = 0
    blocks: bool = False

    @property
    def is_member(self) -> bool:
        """Whether the user is in the channel: `member` in a permission list means this."""
        return self.role in _RANK

    @property
    def moderates(self) -> bool:
        """Whether the user is a moderator or the owner."""
        return _RANK.get(self.role, 0) >= _RANK["moderator"]

    def is_muted(self, now_ms: int) -> bool:
        """Whether the user may not write now."""
        return self.muted_until == FOR_EVER or self.muted_until > now_ms

    def is_banned(self, now_ms: int) -> bool:
        """Whether the user may not come back yet."""
        return self.role == "banned" and (
            self.banned_until == FOR_EVER or self.banned_until > now_ms
        )

    def outranks(self, other: "Standing") -> bool:
        """Whether this one may act against the other: moderators not against their like."""
        return _RANK.get(self.role, 0) > _RANK.get(other.role, 0)


NOBODY: Final = Standing()
"""Somebody who has never been in the channel."""


def standing_of(row: MemberRow | None) -> Standing:
    """What a row says; NOBODY where there is none, or for a role of a later version."""
    if row is None or (row.role not in _RANK and row.role not in ("", "banned")):
        return NOBODY
    return Standing(
        row.role,  # type: ignore[arg-type]  # checked above
        row.muted_until,
        row.banned_until,
        row.offset,
        row.blocks != 0,
    )
