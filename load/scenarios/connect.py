"""`connect`: clients come at a rate, stay, and come back all at once."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from load.measured import CheckOutcome, Measured
from load.recording import Recorder
from load.scenarios.base import (
    Clients,
    Namespace,
    Parameters,
    Phase,
    Rate,
    Subject,
    channel_name,
    part,
)
from load.scenarios.crowd import AT_ONCE_MAX, FAILURES, Crowd, at_rate, words_of
from load.scenarios.outcomes import none_of, same
from load.share import Share
from load.wire.connection import Connection
from load.wire.listener import Listener
from load.wire.messages import SubscribeRequest

RAMP: Final = "ramp"
HOLD: Final = "hold"
STORM: Final = "storm"

CHANNEL_MEMBERS: Final = 10
"""Clients that share a channel."""


class ConnectParameters(Parameters, frozen=True):
    """What `connect` is asked for."""

    clients: Annotated[Clients, Meta(description="how many connect")] = 1_000
    rate: Annotated[Rate, Meta(description="connections begun a second in the ramp, in all")] = (
        200.0
    )
    at_once: Annotated[
        Clients, Meta(description="handshakes that run at once in the storm, in all")
    ] = 500
    namespace: Annotated[Namespace, Meta(description="of the channels, ten clients to each")] = (
        "typing"
    )


class Connect:
    """See base."""

    name: ClassVar[str] = "connect"
    summary: ClassVar[str] = "clients come at a rate, stay, are cut, and all come back at once"
    subject: ClassVar[Subject] = Subject(
        "connect",
        "connected",
        "connects",
        tried=("connected",),
        raised="rate",
        counters=("asked", "connected", "closed"),
        waits=("connect", "back"),
    )
    parameters_type: ClassVar[type[Parameters]] = ConnectParameters
    warms_up: ClassVar[bool] = False
    player: ClassVar[str] = "load.scenarios.connect:ConnectPlayer"

    def __init__(self, parameters: ConnectParameters) -> None:
        self.parameters = parameters

    def phases(self) -> Sequence[Phase]:
        """The ramp, some time with all of them, and the storm: `connect`, and `back`."""
        return (Phase(RAMP), Phase(HOLD, judged=False), Phase(STORM))

    def connections(self, processes: int) -> int:
        """See base."""
        return part(self.parameters.clients, processes)

    def leaves(self, run: str) -> Sequence[str]:
        """Nothing: nobody publishes."""
        return ()

    def raised(self) -> Phase:
        """The ramp: `--until` looks for the rate at which it breaks."""
        return Phase(RAMP)

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """See base."""
        ramps = [phase for phase in measured if phase.phase != HOLD]
        return [
            same("every client got in", ramps, "asked", "connected", "clients"),
            none_of("nobody was thrown out", measured, {"closed": "connections closed"}),
        ]


class Stays(Listener):
    """Counts those whom the hub throws out."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.inside: set[Connection] = set()
        """Those that got in: who was refused is counted by whoever opened it."""

    def closed(self, client: Connection, code: int, reason: str) -> None:
        """See base."""
        if client not in self.inside:
            return
        self.recorder.counts["closed"] += 1
        self.recorder.error(f"connection: {code} {reason}")


class ConnectPlayer:
    """See `load.share.Player`. Each phase plays by its name."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.parameters = msgspec.convert(share.parameters, ConnectParameters)
        self.listener = Stays(Recorder("before"))
        self.crowd = Crowd(
            share,
            listener=lambda _: self.listener,
            subscriptions=lambda number: [SubscribeRequest(self.channel(number))],
        )

    def channel(self, client: int) -> str:
        """What the client subscribes to."""
        namespace = self.parameters.namespace
        return channel_name(namespace, self.share.run, client // CHANNEL_MEMBERS)

    async def setup(self) -> None:
        """See Player. Clients come in the phases."""

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See Player."""
        parameters = msgspec.structs.replace(self.parameters, **changes)
        processes = self.share.processes
        self.listener.recorder = recorder
        if name.startswith(HOLD):
            await asyncio.sleep(parameters.seconds)
            return
        self.crowd.close()
        self.listener.inside.clear()
        if name.startswith(STORM):
            # Nobody waits for a clock here.
            recorder.full_cpu_is_fine = True
            at_once = max(1, parameters.at_once // processes)
            await self._come(recorder, "back", math.inf, at_once)
        else:
            rate = parameters.rate / processes
            # Far more than a hub that keeps up has under way: an answer takes some milliseconds.
            await self._come(recorder, "connect", rate, max(AT_ONCE_MAX, int(rate)))

    async def _come(self, recorder: Recorder, waits: str, rate: float, at_once: int) -> None:
        took = recorder.waits(waits)
        mine = self.share.mine(self.parameters.clients)
        recorder.counts["asked"] += len(mine)

        async def come(number: int, due_ns: int) -> None:
            try:
                opened = await self.crowd.open(number)
            except FAILURES as error:
                recorder.error(f"connect: {words_of(error)}")
                return
            self.listener.inside.add(opened.client)
            took.append((time.monotonic_ns() - due_ns) // 1_000)
            recorder.counts["connected"] += 1

        await at_rate(mine, rate, come, at_once=at_once)

    async def cleanup(self) -> None:
        """See Player."""
        self.crowd.close()
