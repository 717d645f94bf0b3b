"""What follows from `member` and `channel` entries: rows of members and of the channel.

What an entry comes to depends on what was before it (`member_events`), so entries are folded in the
order of the log: whoever folds one folds first what still waits below it and has to do with it. A
row is changed only from what it was read as, and says which entry it is as of; so two that fold the
same entries, one of them late, come to the same, and nothing is done twice.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from realtime.chat import audit, channel_events, member_events
from realtime.chat.around import Around
from realtime.chat.entries import author
from realtime.chat.hiding import hide
from realtime.chat.member_events import MemberEvent
from realtime.chat.retention import retention_at
from realtime.chat.standing import NOBODY, Standing, standing_of
from realtime.chat.waiting import waiting_before
from realtime.errors import CommandRefused
from realtime.model import EVERYTHING, Entry
from realtime.rows import CHANNELS, MEMBERS, ChannelRow, MemberRow
from realtime.stores.base import Value, Write

_encode: Final = msgspec.json.Encoder().encode


class MemberHint(msgspec.Struct, frozen=True, omit_defaults=True, tag="member", tag_field="type"):
    """What the personal channels of those whom a `member` entry is about are told of it."""

    channel: str
    act: str
    role: str = ""


class ChannelFolds:
    """Folds `member` and `channel` entries of rooms."""

    def __init__(self, around: Around) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        around.ledger.on("member", self.fold)
        around.ledger.on("channel", self.fold)

    async def fold(self, entry: Entry) -> None:
        """Write what follows from an entry, and from those before it. Raises StoreError."""
        if not self._is_room(entry.channel):
            return
        below = await waiting_before(self._store, entry.channel, entry.offset)
        for earlier in needed(entry, below):
            await self._fold(earlier)
        await self._fold(entry)

    def _is_room(self, channel: str) -> bool:
        try:
            return self._stage.options(channel).chat == "room"
        except CommandRefused:  # of a namespace that is gone: it may come back
            return True

    async def _fold(self, entry: Entry) -> None:
        if entry.kind == "member":
            event = member_events.read(entry)
            if event is not None and event.concerns:
                await self._fold_member(entry, event)
        else:
            await self._fold_channel(entry)

    async def _fold_member(self, entry: Entry, event: MemberEvent) -> None:
        channel = entry.channel
        keys = [(channel, user) for user in event.concerns]
        rows = {row.user: row for row in await self._store.get(MEMBERS, keys)}
        before = {user: standing_of(rows.get(user)) for user in event.concerns}
        after = dict(before)
        member_events.apply(entry, event, after)
        # Of a transfer, who is given the channel is first: see `member_events`.
        ordered = event.concerns if event.act != "transfer" else event.concerns[::-1]
        now_ms = self._clock.wall_ms()
        writes = [
            _member_write(entry, event, rows.get(user), before[user], after[user], user, now_ms)
            for user in ordered
            if user in after and before[user].offset < entry.offset
        ]
        if writes:
            await self._store.write([*writes[:-1], *audit.of_member(entry, event)])
        # Whoever writes the last row has done it, and does what must be done but once.
        is_first = bool(writes) and await self._store.decide(writes[-1])
        change = 0
        if is_first:
            for user in ordered:
                change += _came(entry, rows.get(user), after[user])
                change -= before[user].is_member and not after[user].is_member
        if channel_events.changes_channel(event):
            await self._write_channel(entry, event, after, change)
        elif change:
            await self._store.write(
                [
                    Write(
                        CHANNELS,
                        (channel,),
                        add={"members": change},
                        highest={"changed_at": self._clock.wall_ms()},
                        present=True,
                    )
                ]
            )
        if is_first:
            self._tell(entry, event)

    async def _fold_channel(self, entry: Entry) -> None:
        event = channel_events.read(entry)
        if event is None:
            return
        await self._write_channel(entry)
        if channel_events.changes_retention(entry):
            await self._hide(entry.channel)
        await self._store.write(audit.of_channel(entry, event))

    async def _hide(self, channel: str) -> None:
        """What is hidden from now on is unread for nobody, at once: here, and not in its turn."""
        for row in await self._store.get(CHANNELS, [(channel,)]):
            retention = retention_at(self._stage, row)
            if retention != EVERYTHING:
                await hide(self._store, row, retention, self._clock.wall_ms())

    async def _write_channel(
        self,
        entry: Entry,
        event: MemberEvent | None = None,
        standings: Mapping[str, Standing] = {},
        change: int = 0,
    ) -> None:
        """Write the channel's row as it is after the entry, with `change` members more."""
        rows = await self._store.get(CHANNELS, [(entry.channel,)])
        row = rows[0] if rows else ChannelRow(entry.channel)
        after = channel_events.apply(entry, row)
        if after is row:
            return
        changed: dict[str, Value] = {
            field: getattr(after, field)
            for field in _SAID
            if not rows or getattr(after, field) != getattr(row, field)
        }
        add = {"members": change} if change else {}
        if event is not None and event.act in ("create", "direct"):
            changed["members"], add = sum(1 for place in event.users if place.role), {}
        if event is not None and event.act == "transfer":
            taker = standings.get(event.user, NOBODY)
            if taker.role == "owner" and taker.offset == entry.offset:
                changed["owner"] = event.user
        await self._store.write(
            [
                Write(
                    CHANNELS,
                    (entry.channel,),
                    set=changed,
                    add=add,
                    highest={"changed_at": self._clock.wall_ms()},
                    **({"equals": {"offset": row.offset}} if rows else _below(entry)),
                )
            ]
        )

    def _tell(self, entry: Entry, event: MemberEvent) -> None:
        """Tell those whom it concerns, where they do not see the channel itself."""
        by_role: dict[str, list[str]] = {}
        if event.users:
            for place in event.users:
                by_role.setdefault(place.role, []).append(place.user)
        else:
            by_role[event.role] = list(event.concerns)
        for role, users in by_role.items():
            hint = MemberHint(entry.channel, event.act, role)
            self._stage.hint(users, _encode(hint), about=entry.channel)


def needed(entry: Entry, below: Sequence[Entry]) -> list[Entry]:
    """Which of the entries below this one have to be folded before it, in order."""
    event = member_events.read(entry) if entry.kind == "member" else None
    users = set(event.concerns) if event else set()
    of_channel = entry.kind == "channel" or (
        event is not None and channel_events.changes_channel(event)
    )
    found = []
    for candidate in reversed(below):
        if candidate.kind == "channel":
            if of_channel:
                found.append(candidate)
        elif candidate.kind == "member":
            said = member_events.read(candidate)
            if said is None:
                continue
            changes = channel_events.changes_channel(said)
            if (
                said.act in ("create", "direct")
                or (of_channel and changes)
                or not users.isdisjoint(said.concerns)
            ):
                found.append(candidate)
                users.update(said.concerns)
                of_channel = of_channel or changes
    return found[::-1]


_SAID: Final = (
    "kind",
    "title",
    "avatar",
    "custom",
    "settings",
    "keeps_less",
    "owner",
    "created_by",
    "created_at",
    "peer",
    "archived_at",
    "offset",
    "digest",
)
"""Fields of a channel's row that its entries say."""


def _below(entry: Entry) -> dict[str, tuple[str, int]]:
    return {"below": ("offset", entry.offset)}


def _came(entry: Entry, row: MemberRow | None, after: Standing) -> bool:
    """Whether the user is in the channel by this entry, whoever has written that."""
    if row is not None and row.offset >= entry.offset:
        return row.offset == entry.offset and row.joined_at == entry.at
    return after.is_member and not standing_of(row).is_member


def _member_write(
    entry: Entry,
    event: MemberEvent,
    row: MemberRow | None,
    before: Standing,
    after: Standing,
    user: str,
    now_ms: int,
) -> Write:
    changed: dict[str, Value] = {
        "role": after.role,
        "muted_until": after.muted_until,
        "banned_until": after.banned_until,
        "offset": entry.offset,
    }
    # When the row is written, however late that is: `chat.sync` tells what changed by it.
    highest = {"changed_at": now_ms}
    is_asked = event.act == "invite" or (event.act == "create" and not after.is_member)
    is_invited = is_asked and not before.is_member and not before.is_banned(entry.at)
    if is_invited:
        changed["invited_by"] = author(entry)
        changed["invited_at"] = entry.at
    if after.is_member and not before.is_member:
        changed["joined_at"] = entry.at
        changed["joined"] = entry.offset
        # What was said before one came is not unread.
        highest |= dict.fromkeys(("delivered", "read"), entry.offset)
        highest |= dict.fromkeys(("delivered_n", "read_n"), entry.n)
    if not after.is_member and not is_invited and event.act in ("leave", "kick", "ban"):
        changed["invited_at"] = 0
    return Write(
        MEMBERS,
        (entry.channel, user),
        set=changed,
        highest=highest,
        **({"equals": {"offset": row.offset}} if row is not None else _below(entry)),
    )
