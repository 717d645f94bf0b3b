"""Delivery: what is committed or published anywhere reaches the subscribers of this node.

The broker is a hint. For each channel with a log the node keeps a cursor; what comes from its own
commits, from the bus or from the store passes through it, once and in order. A gap is repaired
from the store at once, and every position is compared with the store now and then, so that a lost
last message is found too. A gap that retention has eaten is admitted: subscribers are told that
their state is insufficient, and recover or reload.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Final, Protocol

from realtime.brokers.base import BUS_VERSION, Broker, BusMessage
from realtime.channels.cursor import Cursor, TailBudget
from realtime.channels.fanout import Fanout
from realtime.channels.live import LiveChannel, Subscription
from realtime.channels.rules import Channel
from realtime.errors import StoreError
from realtime.hub.holding import Holding
from realtime.hub.positions import Positions
from realtime.hub.proof import Proofs
from realtime.hub.statistics import Statistics
from realtime.model import NOTHING, Entry
from realtime.protocol.replies import Info, Join, Leave
from realtime.stores.base import HeadHints, LogStore

logger = logging.getLogger(__name__)

TAILS_MAX_BYTES: Final = 64 * 1024 * 1024
"""What the recent entries of all channels may weigh together."""

REPAIR_GRACE_S: Final = 0.02
"""How long a gap may be only the bus being slower than the store, before the store is asked."""

REPAIR_RETRY_S: Final = 1.0
"""How long after a failed repair it is tried again."""

HINT_MAX_AGE_MS: Final = 15_000
"""How old a message may be, by the clocks of both nodes, for the store to hear of its entry."""

OPEN_TIMEOUT_S: Final = 4.0
"""How long a channel's first subscriber waits for the bus and the store: less than the 5 s after
which SDKs give a subscribe up, and JavaScript's the connection with it (protocol 1.7, 1.11)."""


class Members(Protocol):
    """Who follows what chat channels' logs say of their members: `realtime.hub.expulsions`."""

    def opened(self, live: LiveChannel) -> None:
        """The channel's position is known: what follows will pass."""
        ...

    def closed(self, live: LiveChannel) -> None:
        """Nothing passes any more."""
        ...

    def appended(self, entry: Entry) -> None:
        """There is an entry that is no message, which does not pass, or not yet."""
        ...

    def passed(self, live: LiveChannel, entry: Entry) -> None:
        """An entry that is no message was handed out, and nothing that follows it."""
        ...

    def missed(self, live: LiveChannel) -> None:
        """Some of what follows the position will not pass."""
        ...


class Delivery:
    """The channels that have subscribers on this node, and what reaches them.

    `heads`, where several nodes write to the store, is told of the others' entries. While the bus
    is well, gaps get `repair_grace_s` to close by themselves. `spawn` hosts a coroutine in a task
    that has a parent. `insufficient` is called for each subscription whose continuity is lost.
    """

    def __init__(
        self,
        node: str,
        *,
        store: LogStore,
        broker: Broker,
        fanout: Fanout,
        statistics: Statistics,
        now_ms: Callable[[], int],
        heads: HeadHints | None = None,
        repair_grace_s: float = REPAIR_GRACE_S,
        spawn: Callable[[Coroutine[object, object, None]], object],
        insufficient: Callable[[Subscription], None],
    ) -> None:
        self._node = node
        self._store = store
        self._broker = broker
        self._fanout = fanout
        self._statistics = statistics
        self._now_ms = now_ms
        self._heads = heads
        self._repair_grace_s = repair_grace_s
        self._spawn = spawn
        self._insufficient = insufficient
        self._channels: dict[str, LiveChannel] = {}
        self._opening: dict[LiveChannel, asyncio.Future[None]] = {}
        # What was heard of a channel while its head was being read: the read may not have seen it.
        self._heard: dict[LiveChannel, int] = {}
        self._repairing: set[LiveChannel] = set()
        self._budget = TailBudget(TAILS_MAX_BYTES)
        self._doubts = 0
        self.positions = Positions(store, self._channels, fill=self._fill, spawn=spawn)
        self.members: Members | None = None
        """Who is told of chat channels' entries; None for a hub without chat."""
        self.proofs: Proofs | None = None
        """Asks who has what of rooms whose members are notified; None for a hub without chat."""
        self.holding = Holding(fanout)

    def __len__(self) -> int:
        return len(self._channels)

    def __iter__(self) -> Iterator[LiveChannel]:
        return iter(self._channels.values())

    def find(self, name: str) -> LiveChannel | None:
        """The channel, if it has subscribers here."""
        return self._channels.get(name)

    # Joining and leaving.

    def attach(self, channel: Channel) -> tuple[LiveChannel, Awaitable[None] | None]:
        """Hold the channel open for a subscribe; every `attach` needs one `detach`.

        Answers the channel, and what to wait for before it may be joined: nothing where it is
        already open. Waiting may raise StoreError or TimeoutError.
        """
        live = self._channels.get(channel.name)
        if live is None:
            live = LiveChannel(channel.name, channel.rules)
            self._channels[channel.name] = live
            live.joiners = 1
            subscribed = self._broker.subscribe(channel.name)
            if subscribed is None and not channel.rules.has_history:
                return live, None
            opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._opening[live] = opened
            self._spawn(self._open(live, subscribed, opened))
            return live, asyncio.shield(opened)
        live.joiners += 1
        opening = self._opening.get(live)
        return live, asyncio.shield(opening) if opening is not None else None

    def detach(self, live: LiveChannel) -> None:
        """The subscribe that attached is over, whether it joined or not."""
        live.joiners -= 1
        self._close_if_idle(live)

    def leave(self, subscription: Subscription) -> None:
        """The subscription is over."""
        live = subscription.channel
        live.leave(subscription, self._fanout)
        self._close_if_idle(live)

    def _close_if_idle(self, live: LiveChannel) -> None:
        if live.is_idle() and self._channels.get(live.name) is live:
            del self._channels[live.name]
            self._broker.unsubscribe(live.name)
            self.holding.closed(live)
            if live.cursor is not None:
                live.cursor.forget_tail()
                if self.members is not None:
                    self.members.closed(live)

    async def _open(
        self,
        live: LiveChannel,
        subscribed: Awaitable[None] | None,
        opened: "asyncio.Future[None]",
    ) -> None:
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                if subscribed is not None:
                    await subscribed
                if live.rules.has_history:
                    self._heard[live] = 0
                    doubts = self._doubts_now()
                    # Read after the bus is in force: what is committed from now on is heard of.
                    page = await self._store.read(
                        live.name, limit=0, retention=NOTHING, now_ms=self._now_ms()
                    )
                    live.cursor = Cursor(page.head, self._budget)
                    live.cursor.heard(self._heard[live])
                    if self.members is not None:
                        self.members.opened(live)
                    if doubts != self._doubts_now():
                        # What was committed after the read may have been lost with the bus, and
                        # the comparison that followed did not know of this channel yet.
                        self._spawn(self.positions.compare_one(live))
        except (StoreError, TimeoutError) as error:
            self._not_opened(live, opened, error)
        except (
            Exception
        ):  # a defect of a driver must not look like a cancellation to those who wait
            logger.exception("a channel could not be opened")
            self._not_opened(live, opened, StoreError("the channel could not be opened"))
        except BaseException:
            opened.cancel()
            raise
        else:
            opened.set_result(None)
            if live.cursor is not None and live.cursor.gap:
                self._repair(live)
        finally:
            self._opening.pop(live, None)
            self._heard.pop(live, None)

    def _not_opened(
        self, live: LiveChannel, opened: "asyncio.Future[None]", error: Exception
    ) -> None:
        # Whoever comes next must open the channel anew, not join one that is half open.
        if self._channels.get(live.name) is live:
            del self._channels[live.name]
            self._broker.unsubscribe(live.name)
        opened.set_exception(error)
        opened.exception()  # retrieved, also where every subscriber has gone

    def doubted(self) -> None:
        """The bus may have lost what it carried until now; positions will be compared."""
        self._doubts += 1

    def _doubts_now(self) -> int:
        """Changes when something may have been missed; never the same while the bus is in doubt."""
        if self._broker.state != "ok":
            self._doubts += 1
        return self._doubts

    # What happens in a channel, here or on another node.

    def committed(self, entry: Entry) -> None:
        """An entry that this node appended is durable: serve it here, tell the others."""
        self._arrived(entry)
        self._broker.publish(BusMessage(self._node, entry, epoch=self._store.epoch))

    def ephemeral(self, entry: Entry) -> None:
        """An event without an offset happened here: serve it here, tell the others."""
        self._happened(entry)
        self._broker.publish(BusMessage(self._node, entry, epoch=self._store.epoch))

    def received(self, message: BusMessage) -> None:
        """The bus brought something; see `realtime.brokers.base.Receiver`."""
        if message.node == self._node or message.version > BUS_VERSION:
            return
        if message.epoch != self._store.epoch:
            # Of another deployment on the same bus, or from before a restore of the store.
            self._statistics.foreign_messages += 1
            return
        if message.entry.offset:
            if self._heads is not None and self._is_new(message):
                entry = message.entry
                self._heads.heard(entry.channel, entry.offset, entry.n)
            self._arrived(message.entry)
        else:
            self._happened(message.entry)

    def _is_new(self, message: BusMessage) -> bool:
        """Whether it tells of an entry of just now; not, if the bus or this process was stopped."""
        return abs(self._now_ms() - message.sent_ms) < HINT_MAX_AGE_MS

    def truncated(self, name: str) -> None:
        """Some of the channel's history was removed: it must not be shown from memory either."""
        live = self._channels.get(name)
        if live is not None:
            live.release(self._fanout)
            live.truncated()

    def exists(self, name: str, offset: int) -> None:
        """Somebody knows that the channel goes at least this far: see that it is delivered."""
        live = self._channels.get(name)
        if live is not None:
            self.heard(live, offset)

    def heard(self, live: LiveChannel, offset: int) -> None:
        """A read of the store told of an entry that has not come: fetch what is missing."""
        if live.cursor is not None:
            live.cursor.heard(offset)
            if live.cursor.gap:
                self._repair(live)

    def _arrived(self, entry: Entry) -> None:
        live = self._channels.get(entry.channel)
        ready: list[Entry] = []
        if live is not None:
            cursor = live.cursor
            if cursor is not None:
                ready = cursor.offer(entry)
                if ready:
                    self._hand_out(live, ready)
                if cursor.gap:
                    self._repair(live)
            elif live in self._heard:
                self._heard[live] = max(self._heard[live], entry.offset)
        if not ready and entry.kind != "message" and self.members is not None:
            self.members.appended(entry)

    def _hand_out(self, live: LiveChannel, entries: Iterable[Entry]) -> None:
        """Deliver what the cursor let through, and carry out what it says before what follows."""
        members = self.members
        if members is None or not live.rules.chat:
            live.deliver(entries, self._fanout)
            return
        for entry in entries:
            # What may wait takes nothing away from anybody: it passes all the same.
            if entry.kind != "reaction" or not self.holding.keeps(live, entry):
                live.deliver((entry,), self._fanout)
            if entry.kind != "message":
                members.passed(live, entry)
            elif live.rules.push and self.proofs is not None:
                self.proofs.delivered(live, entry)

    def _happened(self, entry: Entry) -> None:
        live = self._channels.get(entry.channel)
        if live is None:
            return
        if entry.kind == "message":
            live.publish(entry, self._fanout)
        elif entry.info is not None and entry.kind in ("join", "leave"):
            info = Info.of(entry.info)
            live.announce(Join(info) if entry.kind == "join" else Leave(info), self._fanout)
        elif entry.kind == "signal":
            live.signal(entry, self._fanout)

    # Repair.

    def _repair(self, live: LiveChannel) -> None:
        if live in self._repairing:
            return
        self._repairing.add(live)
        self._spawn(self._repair_until_whole(live))

    async def _repair_until_whole(self, live: LiveChannel) -> None:
        try:
            if self._repair_grace_s and self._broker.state == "ok":
                await asyncio.sleep(self._repair_grace_s)
            if live.cursor is not None and live.cursor.gap:
                self._statistics.gaps += 1
            while self._channels.get(live.name) is live and live.cursor and live.cursor.gap:
                position = live.cursor.position
                try:
                    await self.positions.compare({live.name: position})
                except (StoreError, TimeoutError) as error:
                    logger.warning("cannot read what is missing: %s", error)
                if live.cursor.position == position and self._channels.get(live.name) is live:
                    # It failed, or the store does not show yet what was heard of.
                    await asyncio.sleep(REPAIR_RETRY_S)
        finally:
            self._repairing.discard(live)

    async def reach(self, live: LiveChannel, offset: int) -> None:
        """Have an open channel's position come up to an offset that the store has shown.

        Raises StoreError.
        """
        if live.cursor is not None and live.cursor.position < offset:
            await self.positions.compare({live.name: live.cursor.position})

    async def check_positions(self) -> None:
        """Compare every position with the store, and deliver what was missed.

        Raises StoreError; the rest is then checked next time.
        """
        await self.positions.check_all()

    def suspect(self, name: str) -> None:
        """The channel's log goes on, whatever the bus may say: read on in it, if it is open."""
        self.doubted()  # it may be about to be, with a head that was read before
        self.positions.suspect(name)

    def _fill(self, name: str, missed: list[Entry]) -> None:
        live = self._channels.get(name)
        if live is None or live.cursor is None or missed[-1].offset <= live.cursor.position:
            return
        cursor = live.cursor
        self._statistics.repairs += 1
        self._hand_out(live, cursor.fill(missed))
        if cursor.position < missed[-1].offset:
            self._admit_gap(live, missed[-1].offset)

    def _admit_gap(self, live: LiveChannel, head: int) -> None:
        """Retention has eaten part of what is missing: say so, and go on from the head."""
        assert live.cursor is not None  # only channels with a log have gaps
        self._statistics.gaps_admitted += 1
        live.release(self._fanout)
        live.cursor.skip(head)
        if self.members is not None and live.rules.chat:
            self.members.missed(live)
        for subscription in list(live.subscriptions()):
            self._insufficient(subscription)
