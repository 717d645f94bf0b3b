"""What `member` entries say, and what users are after one. Pure.

An entry says what was decided, by somebody who might, when they looked. Two that were decided at
the same time meet in the log, and what they come to is said here, by what the user is at that place
of the log: whoever was banned does not come back by an invitation of the same moment, whoever was
kicked is not given a role, and a channel does not get two owners. So entries must be applied in
the log's order, for each user; everyone who does so comes to the same.
"""

import logging
from collections.abc import Iterable, MutableMapping
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from realtime.chat.standing import ChannelRole, Standing
from realtime.model import Entry

logger = logging.getLogger(__name__)

USERS_MAX: Final = 100
"""Users that one entry may bring into a channel."""

_ROLES: Final[dict[str, ChannelRole]] = {
    role: role for role in ("owner", "moderator", "member", "reader")
}


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user and the role they get. "" is an invitation that waits to be accepted."""

    user: str
    role: str = ""


class MemberEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The data of a `member` entry.

    `act` is "create", "direct", "join", "leave", "invite", "kick", "ban", "unban", "mute",
    "unmute", "role" or "transfer", or one of a later version, which changes nothing. It is about
    `user`, or, for "create", "direct" and "invite", about `users`. `until` (ms, -1 for ever) is of
    bans and mutes. `from` is who owned the channel before a transfer, "" for nobody.
    `last`: with whoever leaves, the channel is left by everyone, and is archived. The other fields
    say how a new channel begins (`realtime.chat.rooms`).
    """

    act: str
    user: str = ""
    role: str = ""
    until: int = 0
    users: tuple[Place, ...] = ()
    previous: str = msgspec.field(default="", name="from")
    last: bool = False
    title: str = ""
    avatar: str = ""
    custom: msgspec.Raw | UnsetType = UNSET
    settings: msgspec.Raw | UnsetType = UNSET

    @property
    def concerns(self) -> tuple[str, ...]:
        """Everyone whose standing it may change, once; who has been erased since has no name."""
        users = [place.user for place in self.users] or [self.previous, self.user]
        return tuple(dict.fromkeys(user for user in users if user))


_decoder: Final = msgspec.json.Decoder(MemberEvent)


def read(entry: Entry) -> MemberEvent | None:
    """What a `member` entry says; None where nothing can be read from it any more."""
    if entry.stub or entry.deleted_at:
        return None
    try:
        return _decoder.decode(entry.data)
    except msgspec.DecodeError:
        logger.error("a member entry at offset %d cannot be read", entry.offset)
        return None


def read_all(entries: Iterable[Entry]) -> list[tuple[Entry, MemberEvent]]:
    """The `member` entries among these, with what they say."""
    members = [(entry, read(entry)) for entry in entries if entry.kind == "member"]
    return [(entry, event) for entry, event in members if event is not None]


def apply(entry: Entry, event: MemberEvent, standings: MutableMapping[str, Standing]) -> None:
    """Change the standings of those whom it concerns to what they are after the entry.

    Users whose standing is not given are left out; one that has the entry, or later ones, stays. A
    transfer takes two: where they are not both given, or not as of one moment, what is given is
    removed, for it cannot be told.
    """
    if event.act == "transfer" and event.previous:
        _transfer(entry, event, standings)
        return
    roles = {place.user: place.role for place in event.users} or {event.user: event.role}
    for user, role in roles.items():
        standing = standings.get(user)
        if standing is not None and standing.offset < entry.offset:
            after = _after(event, standing, _ROLES.get(role, ""), entry.at)
            standings[user] = msgspec.structs.replace(
                after, offset=entry.offset, blocks=standing.blocks
            )


def _transfer(entry: Entry, event: MemberEvent, standings: MutableMapping[str, Standing]) -> None:
    giver, taker = standings.get(event.previous), standings.get(event.user)
    # Whoever writes the rows writes the taker's first.
    if giver is None or taker is None or taker.offset < entry.offset <= giver.offset:
        standings.pop(event.previous, None)
        standings.pop(event.user, None)
        return
    valid = giver.role == "owner" and taker.is_member and event.user != event.previous
    for user, standing, role in (
        (event.previous, giver, "moderator"),
        (event.user, taker, "owner"),
    ):
        if standing.offset < entry.offset:
            after = (
                Standing(_ROLES.get(role, ""), 0, 0, entry.offset)
                if valid
                else msgspec.structs.replace(standing, offset=entry.offset)
            )
            standings[user] = after


def _after(event: MemberEvent, before: Standing, role: ChannelRole, at: int) -> Standing:
    """One user after an entry made at `at`; the same where it comes to nothing."""
    match event.act:
        case "create" | "direct" | "invite" | "join":
            return _come(before, role, at)
        case "leave":
            return _with_role(before, "") if before.is_member else before
        case "transfer":
            return _with_role(before, "owner") if before.is_member else before
        case _ if before.role == "owner":
            return before  # ends by a transfer, or by leaving, alone
        case "kick":
            return _with_role(before, "") if before.is_member else before
        case "ban":
            return Standing("banned", before.muted_until, event.until)
        case "unban":
            return _with_role(before, "") if before.role == "banned" else before
        case "mute":
            return Standing(before.role, event.until, before.banned_until)
        case "unmute":
            return Standing(before.role, 0, before.banned_until)
        case "role" if before.is_member and role not in ("", "owner"):
            return _with_role(before, role)
    return before


def _come(before: Standing, role: ChannelRole, at: int) -> Standing:
    if before.is_member or before.is_banned(at) or not role:
        return before
    return _with_role(before, role)


def _with_role(before: Standing, role: ChannelRole) -> Standing:
    # A mute is not lifted by leaving and coming back.
    return Standing(role, before.muted_until, 0)
