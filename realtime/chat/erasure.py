"""Erasing a user: everything of theirs, and their name wherever it is ours to take out.

The work is a list of steps; each is finished before the next begins, each may be done again from
its beginning, and what has been done is kept beside it (`WORK`), with the name of the user until
the last step has ended. So whoever dies in the middle, the work goes on where it was, on any node,
and at the end nothing in the store says who it was about: the report is found by its own id.

Messages keep their offset and n, as deleted ones do. What others wrote stays theirs, also where it
quotes. The app must have ended the user's tokens before: a user who still writes is not erased.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final

import msgspec

from realtime.chat.heads import revise
from realtime.chat.summaries import GONE
from realtime.chat.traces import cleared, cleared_act, cleared_channel, without
from realtime.chat.walking import LawStore, channels_with, distinct, rows, sent_by
from realtime.errors import StoreUnavailable
from realtime.model import EVERYTHING, Entry
from realtime.push.erasing import PushErasure
from realtime.push.rows import DEAD, DEVICES, JOBS
from realtime.rows import (
    ANSWERS,
    AUDIT,
    BLOCKS,
    CHANNELS,
    EVERYBODY,
    HERE,
    MEMBERS,
    MENTIONS,
    PINS,
    POSTS,
    REACTIONS,
    REFERENCES,
    REPORTS,
    TIMELINE,
    USERS,
)
from realtime.stores.base import Key, Removal, Span, Table, Write

PAGE: Final = 500
"""Entries of one read of a log."""

TRIES_MAX: Final = 5
"""How often an entry is read again that was changed since it was read."""


Save = Callable[[], Awaitable[None]]


class ErasureReport(msgspec.Struct):
    """What an erasure has done, for machines. Every number is of things that are gone or changed.

    `entries` are the user's own, by kind; `traces` entries of others that named the user;
    `rows` by table. What this version does not keep of anybody is 0 and said all the same. Where a
    node died meanwhile, what it had done since it last said how far it was is gone and not counted.
    """

    entries: dict[str, int] = {}
    traces: int = 0
    previews: int = 0
    rows: dict[str, int] = {}
    revocations: int = 0
    channels: int = 0
    devices: int = 0
    search_index: int = 0
    jobs: int = 0
    dead_letters: int = 0

    def count(self, table: Table[Any], number: int = 1) -> None:
        """Count rows of a table."""
        self.rows[table.name] = self.rows.get(table.name, 0) + number


class Erasing(msgspec.Struct):
    """An erasure under way, or done: then `user` is "" and the report is complete.

    `shown_in` is the channel whose entries are being disowned, which nodes may have in memory, and
    phones may show, until that is done. `sending_until`: when (ms) the last one is over with
    sending to the user.
    """

    user: str
    step: int = 0
    after: str = ""
    shown_in: str = ""
    sending_until: int = 0
    report: ErasureReport = msgspec.field(default_factory=ErasureReport)


class Eraser:
    """Carries out erasures.

    `forget` makes every node forget what it keeps of a channel in memory; `recount` writes a
    message's summary anew; `feeds` answers the channels of a user's own feeds. `save` keeps how far
    the work is; it is called after every channel.
    """

    def __init__(
        self,
        store: LawStore,
        *,
        forget: Callable[[str], Awaitable[None]],
        recount: Callable[[str, int], Awaitable[None]],
        feeds: Callable[[str], Collection[str]],
        push: PushErasure,
    ) -> None:
        self._store = store
        self._forget = forget
        self._recount = recount
        self._feeds = feeds
        self._push = push
        self._steps = (
            self._entries,
            self._traces,
            self._reactions,
            self._posts,
            self._moderation,
            self._relations,
            self._memberships,
            self._devices,
            self._profile,
            self._late,
        )

    async def carry_out(self, erasing: Erasing, save: Save) -> None:
        """Go on with an erasure until it is done. Raises StoreError, and may then go on later."""
        while erasing.step < len(self._steps):
            await self._steps[erasing.step](erasing, save)
            erasing.step += 1
            erasing.after = ""
            await save()
        await self._store.scrub()
        erasing.user = ""
        await save()
        # The row that said whose erasure it was is in the files too until now.
        await self._store.scrub()

    # What the user has written.

    async def _entries(self, erasing: Erasing, save: Save) -> None:
        sender = f"u:{erasing.user}"
        if erasing.shown_in:
            # Whoever died may have left nothing there by which it is found again.
            await self._hide(erasing.shown_in)
        async for channel in channels_with(self._store, sender, after=erasing.after):
            erasing.shown_in = channel
            await save()
            # Stubs have nothing left of what was said, but who said it.
            async for page in sent_by(self._store, channel, sender, stubs=True):
                await self._disown(channel, page, erasing.report)
            await self._hide(channel)
            erasing.report.channels += 1
            erasing.shown_in, erasing.after = "", channel
            await save()

    async def _hide(self, channel: str) -> None:
        """Have nodes and phones forget what was disowned."""
        await self._forget(channel)
        if self._push.pushes(channel):
            await self._push.take_back(channel)

    async def _disown(self, channel: str, page: Sequence[Entry], report: ErasureReport) -> None:
        # What counted is not unread any more, for anybody: said before it is true, so that an
        # erasure that ends in between is only early.
        counted = [entry.offset for entry in page if entry.counts and not entry.deleted_at]
        if counted:
            gone = [Write(MENTIONS, (EVERYBODY, channel, offset)) for offset in counted]
            gone.append(
                Write(CHANNELS, (channel,), highest={"deleted": max(counted)}, present=True)
            )
            await self._store.write(gone)
        references = [entry for entry in page if entry.ref]
        replies = [entry for entry in references if entry.kind == "message"]
        gone_reply = {"user": "", "kind": GONE}
        await self._store.write(
            [
                Write(
                    REFERENCES,
                    (channel, entry.ref, entry.offset),
                    set=gone_reply if entry.kind == "message" else {"user": ""},
                    present=True,
                )
                for entry in references
            ]
        )
        await self._store.disown(channel, [entry.offset for entry in page])
        for ref in sorted({entry.ref for entry in replies}):
            await self._recount(channel, ref)
        if counted:
            # A node may still be about to write a preview of it: not after this.
            await revise(self._store, channel, max(counted))
        for entry in page:
            report.entries[entry.kind] = report.entries.get(entry.kind, 0) + 1

    # Where others name the user.

    async def _traces(self, erasing: Erasing, save: Save) -> None:
        user = erasing.user
        async for channel in distinct(self._store, MEMBERS, (user,), ("user", "channel")):
            if channel <= erasing.after:
                continue
            await self._clear_log(channel, user, erasing.report)
            await self._clear_rows(channel, user, erasing.report)
            await self._forget(channel)
            erasing.after = channel
            await save()

    async def _clear_log(self, channel: str, user: str, report: ErasureReport) -> None:
        after = 0
        while True:
            page = await self._store.read(
                channel, after=after, limit=PAGE, retention=EVERYTHING, now_ms=0
            )
            for entry in page.entries:
                report.traces += await self._clear_entry(entry, user)
            # Made in nobody's name, but not without saying by whom.
            made = [item.offset for item in page.entries if item.info and item.info.user == user]
            await self._store.disown(channel, made)
            if len(page.entries) < PAGE:
                return
            after = page.entries[-1].offset

    async def _clear_entry(self, entry: Entry, user: str) -> bool:
        """Whether it named the user. Raises StoreUnavailable where it changes all the time."""
        for _ in range(TRIES_MAX):
            change = cleared(entry, user)
            if change is None:
                return False
            if await self._store.rewrite(
                entry.channel,
                entry.offset,
                data=change.data,
                tags=change.tags,
                changed=entry.changed,
            ):
                return True
            found = await self._store.fetch({entry.channel: (entry.offset,)})
            if not found or found[0].deleted_at:
                return False
            entry = found[0]
        raise StoreUnavailable("a message was edited whenever it was to be changed")

    async def _clear_rows(self, channel: str, user: str, report: ErasureReport) -> None:
        store = self._store
        async for members in rows(store, MEMBERS, (channel,)):
            invited = [row for row in members if row.invited_by == user]
            await store.write(
                [
                    Write(MEMBERS, (channel, row.user), set={"invited_by": ""}, present=True)
                    for row in invited
                ]
            )
        async for acts in rows(store, AUDIT, (channel,)):
            for act in acts:
                detail = without(act.detail, user)
                if detail != act.detail:
                    key = AUDIT.key_of(act)
                    await store.write([Write(AUDIT, key, set={"detail": detail}, present=True)])
        for channel_row in await store.get(CHANNELS, [(channel,)]):
            changes = cleared_channel(channel_row, user)
            if changes:
                report.previews += "last" in changes
                await store.write([Write(CHANNELS, (channel,), set=changes, present=True)])

    # Rows.

    async def _reactions(self, erasing: Erasing, save: Save) -> None:
        by, user = ("user", "channel", "ref"), erasing.user
        async for channel in distinct(self._store, REACTIONS, (user,), by):
            async for page in rows(self._store, REACTIONS, (user, channel), by, after=-1):
                await self._remove(REACTIONS, page, erasing.report)
                for ref in sorted({row.ref for row in page}):
                    await self._recount(channel, ref)
            await save()

    async def _posts(self, erasing: Erasing, save: Save) -> None:
        user, store = erasing.user, self._store
        # Also those in which nothing was posted: others may follow them.
        for channel in self._feeds(user):
            await self._remove_feed(channel, erasing)
        async for page in rows(store, POSTS, (user,), ("author", "place")):
            await self._remove(POSTS, page, erasing.report)
            await save()
        async for timeline in rows(store, TIMELINE, (user,)):
            await self._remove(TIMELINE, timeline, erasing.report)

    async def _remove_feed(self, channel: str, erasing: Erasing) -> None:
        """The copies of its posts, and that others follow it."""
        by = ("channel", "user", "place")
        async for follower in distinct(self._store, TIMELINE, (channel,), by):
            async for copies in rows(self._store, TIMELINE, (channel, follower), by):
                await self._remove(TIMELINE, copies, erasing.report)
        async for followers in rows(self._store, MEMBERS, (channel,)):
            others = [row for row in followers if row.user != erasing.user]
            await self._remove(MEMBERS, others, erasing.report)
        await self._remove_rows(CHANNELS, [(channel,)], erasing.report)

    async def _moderation(self, erasing: Erasing, save: Save) -> None:
        user, store, report = erasing.user, self._store, erasing.report
        fields: tuple[tuple[Table[Any], str], ...] = (
            (REPORTS, "reporter"),
            (REPORTS, "about"),
            (REPORTS, "resolved_by"),
            (AUDIT, "by"),
            (AUDIT, "target"),
        )
        for table, field in fields:
            async for page in rows(store, table, (user,), (field, "place")):
                await store.write(
                    [
                        Write(
                            table,
                            table.key_of(row),
                            set=cleared_act(row, field, user),
                            present=True,
                        )
                        for row in page
                    ]
                )
                report.count(table, len(page))

    async def _relations(self, erasing: Erasing, save: Save) -> None:
        user, store, report = erasing.user, self._store, erasing.report
        async for blocks in rows(store, BLOCKS, (user,)):
            await self._remove(BLOCKS, blocks, report)
        async for blocks in rows(store, BLOCKS, (user,), ("blocked", "user")):
            await self._remove(BLOCKS, blocks, report)
        async for channel in distinct(store, MENTIONS, (user,)):
            async for mentions in rows(store, MENTIONS, (user, channel), after=-1):
                await self._remove(MENTIONS, mentions, report)
        by = ("by", "channel", "offset")
        async for channel in distinct(store, MENTIONS, (user,), by):
            async for mentions in rows(store, MENTIONS, (user, channel), by, after=-1):
                await self._remove(MENTIONS, mentions, report)
        async for channel in distinct(store, PINS, (user,), ("by", "channel")):
            span = Span((user, channel))
            while pins := await store.find(PINS, span, by=("by", "channel"), limit=PAGE):
                await store.write(
                    [Write(PINS, PINS.key_of(pin), set={"by": ""}, present=True) for pin in pins]
                )
                report.count(PINS, len(pins))

    async def _memberships(self, erasing: Erasing, save: Save) -> None:
        by = ("user", "channel")
        async for page in rows(self._store, MEMBERS, (erasing.user,), by):
            await self._remove(MEMBERS, page, erasing.report)
            await save()

    async def _devices(self, erasing: Erasing, save: Save) -> None:
        """After the memberships: nobody who is in no channel is told of anything any more."""

        async def note(until_ms: int) -> None:
            if until_ms > erasing.sending_until:
                erasing.sending_until = until_ms
                await save()

        report = erasing.report
        # What the user has set for all devices is a row of theirs, but no device.
        own = len(await self._store.get(DEVICES, [(erasing.user, "")]))
        removed = await self._push.forget(erasing.user, note)
        for table, number in removed.items():
            if number:
                report.count(table, number)
        report.devices += removed[DEVICES] - own
        report.jobs += removed[JOBS]
        report.dead_letters += removed[DEAD]

    async def _profile(self, erasing: Erasing, save: Save) -> None:
        user = erasing.user
        async for answers in rows(self._store, ANSWERS, (user,)):
            await self._remove(ANSWERS, answers, erasing.report)
        async for here in rows(self._store, HERE, (user,)):
            await self._remove(HERE, here, erasing.report)
        await self._remove_rows(USERS, [(user,)], erasing.report)
        erasing.report.revocations += await self._store.forget_user(user)

    async def _late(self, erasing: Erasing, save: Save) -> None:
        """What was being sent to the user meanwhile leaves nothing either."""
        await self._push.settled(erasing.sending_until)
        await self._devices(erasing, save)

    async def _remove(self, table: Table[Any], page: Any, report: ErasureReport) -> None:
        await self._remove_rows(table, [table.key_of(row) for row in page], report)

    async def _remove_rows(self, table: Table[Any], keys: list[Key], report: ErasureReport) -> None:
        if keys:
            await self._store.write([Removal(table, key) for key in keys])
            report.count(table, len(keys))
