"""What rooms refuse to those who are let in: by what they are set to, and by what users are."""

from typing import Final

from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.refusals import denied, locked, not_found
from realtime.chat.rooms import Room
from realtime.chat.standing import FOR_EVER, Standing

_EVERY_MEMBER: Final = frozenset(("guest", "user", "member"))
"""Grants that a member of a room has, however they came."""


def grants_members(grants: tuple[str, ...]) -> bool:
    """Whether a permission list of a namespace has every member of a room in it."""
    return not _EVERY_MEMBER.isdisjoint(grants)


def refuse_unmade(room: Room) -> None:
    """Raises CallRefused (404) where nobody has made the channel."""
    if room.kind not in ("room", "direct"):
        raise not_found("channel")


def refuse_archived(room: Room) -> None:
    """Raises CallRefused (423)."""
    if room.archived:
        raise locked("archived")


def refuse_muted(standing: Standing, now_ms: int) -> None:
    """Raises CallRefused (423), with `retry_after` where the mute ends by itself."""
    if standing.is_muted(now_ms):
        until_ms = standing.muted_until
        left_ms = 0 if until_ms == FOR_EVER else until_ms - now_ms
        raise locked("muted", retry_after_s=left_ms / 1_000)


async def refuse_blocked(blocks: Blocks, caller: Caller, room: Room) -> None:
    """Raises CallRefused (103) in a direct channel where one blocks the other, and StoreError."""
    others = [user for user in room.pair if user and user != caller.user]
    if others and await blocks.among(caller.user, others):
        raise denied("blocked")
