"""What a process of `push` does: its users connect and send; the first one is the push service."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from load.pacing import count_lateness, paced
from load.push_ledger import LARGE, PROBE, Ledger, text_of
from load.push_service import PushService
from load.recording import Recorder
from load.scenarios.crowd import Crowd, drained, words_of
from load.scenarios.publishing import LEAD_S
from load.scenarios.push import BESIDE, SILENCE, PushParameters, layout_of, rooms_for
from load.scenarios.push_seeding import Seeding
from load.share import Share, Unplayable
from load.wire.client import Client
from load.wire.codec import push_of
from load.wire.connection import Connection
from load.wire.listener import Listener
from load.wire.messages import Error, SubscribeRequest

PROBE_S: Final = 30.0
"""How long the first notification may take, in seconds: a hub that could not send may rest."""

DRAINS_MAX: Final = 6
"""How many times `drain_s` is waited at most, where notifications come, but slowly."""


class PushListener(Listener):
    """Says for some of those who are connected that they have read what they hear in a room."""

    def __init__(self, is_room: Callable[[str], bool]) -> None:
        self.recorder = Recorder("before")
        self.readers: set[Connection] = set()
        self.calls: dict[int, int] = {}
        """By when a message of the play that runs was due: how many are to be told of it."""
        self._is_room = is_room

    def pushed(self, client: Connection, document: bytes) -> None:
        """See base."""
        if client not in self.readers or not isinstance(client, Client):
            return
        push = push_of(client.codec, document)
        if push.pub is None or not push.pub.offset or "ref" in push.pub.tags:
            return
        if self._is_room(push.channel):
            read = msgspec.json.encode({"channel": push.channel, "offset": push.pub.offset})
            # A time that is of no message.
            client.send_rpc("chat.read", read, -time.monotonic_ns())

    def answered(self, client: Connection, due_ns: int, error: Error | None) -> None:
        """See base."""
        audience = self.calls.pop(due_ns, 0)
        if error is not None:
            self.recorder.error(f"{'send' if due_ns > 0 else 'read'}: {error.code} {error.message}")
            self.recorder.counts["excused"] += audience
        elif audience:
            self.recorder.waits("send").append((time.monotonic_ns() - due_ns) // 1_000)
            self.recorder.counts["sent"] += 1

    def closed(self, client: Connection, code: int, reason: str) -> None:
        """See base."""
        self.recorder.error(f"connection: {code} {reason}")


class PushPlayer:
    """See `load.share.Player`."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.parameters = msgspec.convert(share.parameters, PushParameters)
        self.layout = layout_of(self.parameters, share.run, share.processes)
        self.users = self.layout.users(share.index)
        self.rate = self.parameters.open_rate / share.processes
        self.listener = PushListener(self.layout.is_room)
        self.crowd = Crowd(
            share, listener=lambda _: self.listener, subscriptions=self._subscriptions
        )
        self.seeding = Seeding(share, self.layout, self.crowd, self.rate)
        self.ledger = Ledger(share.run, self.parameters.connected)
        self.service = PushService(self.ledger.take) if share.index == 0 else None
        self.play = PROBE
        """Counted alike in all processes."""
        self.turn = 0
        self.said = 0

    # Before.

    async def setup(self) -> None:
        """Be the push service, register devices, make rooms, and see that notifications come."""
        needed = self.layout.probed + 1
        if not self.share.tokens and not self.share.secret:
            raise Unplayable("devices are of users: --secret-file or --tokens is needed")
        if self.share.tokens and len(set(self.share.tokens)) < needed:
            raise Unplayable(f"{needed:,} tokens are needed, each of another user")
        try:
            await self._seed()
        except Exception:
            # Whatever it was: nobody asks to clean up where there was no beginning.
            with contextlib.suppress(Unplayable):
                await self.cleanup()
            raise

    async def _seed(self) -> None:
        if self.service is not None:
            await self._serve(self.service)
        await self._fill()
        if self.service is not None:
            await self._probe()
        away = self.layout.away()[self.share.index :: self.share.processes]
        await self.seeding.register([*self.users, *away])
        await self.seeding.make_rooms(rooms_for(self.parameters, self.layout))
        if self.service is not None:
            await self._make_large()

    async def _serve(self, service: PushService) -> None:
        place = self.parameters.service
        try:
            where = urlsplit(f"//{place}")
            await service.open(where.hostname or "", where.port or 0)
        except (OSError, ValueError) as error:
            why = f"the push service cannot listen at {place}: {words_of(error)}"
            raise Unplayable(why) from error

    async def _fill(self) -> None:
        """Connect who is to be connected and is not."""
        await self.crowd.fill(self.users, self.rate)
        reads = self.parameters.reads
        self.listener.readers = {
            self.crowd.clients[user]
            for place, user in enumerate(self.users)
            if int((place + 1) * reads) > int(place * reads)
        }

    def _subscriptions(self, user: int) -> list[SubscribeRequest]:
        rooms = self.seeding.rooms if user in self.users else []
        return [SubscribeRequest(room.channel) for room in rooms if room.reader == user]

    async def _probe(self) -> None:
        """Have somebody told. Nothing can be measured of a hub whose notifications go elsewhere."""
        owner, probed, channel = self.users[0], self.layout.probed, self.layout.probe
        await self.seeding.register([probed])
        await self.seeding.make(channel, owner, [probed])
        data = {"text": text_of(time.monotonic_ns(), PROBE, LARGE)}
        await self.seeding.ask(owner, "chat.send", channel=channel, client_id="probe", data=data)
        if not await drained(lambda: int(self.ledger.probed), 1, PROBE_S, quiet_s=PROBE_S):
            raise NothingCame(self.parameters.service)

    async def _make_large(self) -> None:
        owner, reader, *_ = self.users
        await self.seeding.make(self.layout.large, owner, [reader, *self.layout.away()])
        await self.crowd.clients[reader].subscribe(self.layout.large)

    # While it is measured.

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See Player."""
        parameters = msgspec.structs.replace(self.parameters, **changes)
        await self._fill()
        if name == SILENCE:
            self._begin(recorder)
            await asyncio.sleep(parameters.settle_s)
            return
        count = rooms_for(parameters, self.layout)
        await self.seeding.make_rooms(count)
        self._begin(recorder, measured=False)
        await self._send(parameters, count, parameters.warm_up_s, recorder)
        self._begin(recorder)
        await asyncio.sleep(LEAD_S)
        due = self.layout.due(parameters.rate, parameters.seconds, count)
        if name.startswith(BESIDE):
            due += self.parameters.clients
            if self.service is not None:
                self._send_large(recorder)
        await self._send(parameters, count, parameters.seconds, recorder)
        await self.crowd.answers(self.users, parameters.drain_s)
        if self.service is not None:
            await self._all_told(due, parameters.drain_s, recorder)

    def _begin(self, recorder: Recorder, *, measured: bool = True) -> None:
        """Another play: what was sent before is not its, whichever process it is of."""
        self.play += 1
        recorder.restart()
        self.listener.recorder = recorder
        self.listener.calls.clear()
        self.ledger.begin(self.play, recorder, measured=measured)

    async def _send(
        self, parameters: PushParameters, count: int, seconds: float, recorder: Recorder
    ) -> None:
        """Send into this process's rooms in turn."""
        rooms = [room for room in self.seeding.rooms if room.number < count]
        if not rooms:
            return
        rate = self.layout.rate_of(self.share.index, parameters.rate, count)
        # Processes do not send at the same instants.
        delay_s = self.share.index / self.layout.senders / rate
        times = round(rate * seconds)
        async for due_ns in paced(recorder, rate=rate, count=times, delay_s=delay_s):
            room = rooms[self.turn % len(rooms)]
            self.turn += 1
            self._say(room.sender, room.channel, room.number, due_ns, len(room.away))

    def _send_large(self, recorder: Recorder) -> None:
        due_ns = time.monotonic_ns()
        count_lateness(due_ns, due_ns, recorder)
        self._say(self.users[0], self.layout.large, LARGE, due_ns, self.parameters.clients)

    def _say(self, sender: int, channel: str, room: int, due_ns: int, audience: int) -> None:
        self.said += 1
        fields = {
            "channel": channel,
            "client_id": f"{self.share.index}-{self.said}",
            "data": {"text": text_of(due_ns, self.play, room)},
        }
        self.listener.calls[due_ns] = audience
        self.listener.recorder.counts["due"] += audience
        self.crowd.clients[sender].send_rpc("chat.send", msgspec.json.encode(fields), due_ns)

    async def _all_told(self, due: int, drain_s: float, recorder: Recorder) -> None:
        """Wait for what other processes have sent, too: they may have begun a bit later."""
        await drained(
            lambda: recorder.total("notified") + recorder.total("excused"),
            due,
            drain_s * DRAINS_MAX,
            quiet_s=drain_s,
        )
        took_s = self.ledger.crowd_ns / 1e9
        if took_s > 0:
            recorder.facts["large_channel_s"] = took_s
            recorder.facts["large_channel_per_s"] = self.parameters.clients / took_s

    # Afterwards.

    async def cleanup(self) -> None:
        """Take away the devices, archive the rooms, and be no push service any more."""
        try:
            await self.seeding.remove()
        finally:
            self.crowd.close()
            if self.service is not None:
                await self.service.close()


class NothingCame(Unplayable):
    """The hub has told nobody; has where it should have called."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.service = service

    def __str__(self) -> str:
        return (
            f"the hub has not called the push service at {self.service} in {PROBE_S:.0f} s:"
            " `python -m load push-settings` prints what it has to be told, and the namespace"
            ' needs push = "all"'
        )
