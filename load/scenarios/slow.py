"""`slow`: some subscribers stop reading; the hub lets go of them, and the others notice nothing."""

from collections import Counter
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
    PayloadBytes,
    Phase,
    Rate,
    Subject,
    channel_name,
    part,
)
from load.scenarios.crowd import Crowd, drained
from load.scenarios.outcomes import not_slowed, total
from load.scenarios.publishing import (
    DELIVERIES,
    PublishingParameters,
    PublishingPlayer,
    everything_arrived,
)
from load.share import Share
from load.wire.connection import Connection
from load.wire.listener import Listener
from load.wire.messages import SubscribeRequest

ALL_READ: Final = "all read"
SOME_STOP: Final = "some stop"

GRACE_US: Final = 2_000.0
"""What the others' p99 may be more in any case: below that it is the machine's noise."""


class SlowParameters(PublishingParameters, frozen=True):
    """What `slow` is asked for. The stopped must be sent more than the hub keeps for one client,
    some megabytes with what the kernel holds: `rate` × `seconds` × `payload_bytes`."""

    clients: Annotated[Clients, Meta(description="subscribers that go on reading")] = 100
    stopped: Annotated[Clients, Meta(description="subscribers that stop")] = 5
    rate: Annotated[Rate, Meta(description="publications a second")] = 100.0
    payload_bytes: Annotated[PayloadBytes, Meta(description="length of a publication's data")] = (
        16_000
    )
    namespace: Annotated[
        Namespace, Meta(description="of the channel; without history hubs may drop, and not close")
    ] = "room"
    slower_max: Annotated[
        float, Meta(ge=1, description="the others' p99 may grow by this factor")
    ] = 1.3


class Slow:
    """See base. All of it in one channel, and one client that publishes and reads."""

    name: ClassVar[str] = "slow"
    summary: ClassVar[str] = "some subscribers stop reading: they are closed, others are not slowed"
    subject: ClassVar[Subject] = msgspec.structs.replace(
        DELIVERIES, counters=(*DELIVERIES.counters, "stopped", "let_go", "let_go_3008")
    )
    parameters_type: ClassVar[type[Parameters]] = SlowParameters
    warms_up: ClassVar[bool] = True
    player: ClassVar[str] = "load.scenarios.slow:SlowPlayer"

    def __init__(self, parameters: SlowParameters) -> None:
        self.parameters = parameters

    def phases(self) -> Sequence[Phase]:
        """The same twice, the second time with those that stop."""
        return (Phase(ALL_READ), Phase(SOME_STOP))

    def connections(self, processes: int) -> int:
        """See base."""
        return part(self.parameters.clients + self.parameters.stopped, processes)

    def leaves(self, run: str) -> Sequence[str]:
        """See base."""
        return [channel_name(self.parameters.namespace, run, 0)]

    def raised(self) -> Phase:
        """See base."""
        return Phase(SOME_STOP)

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """See base."""
        stopped = [phase for phase in measured if phase.phase.startswith(SOME_STOP)]
        found = everything_arrived(measured)
        if stopped:
            found.append(_let_go(stopped))
        if len(measured) == 2 and stopped:
            found.append(self._not_slowed(measured[0], measured[1]))
        return found

    def _not_slowed(self, before: Measured, after: Measured) -> CheckOutcome:
        return not_slowed(
            "the others were not slowed",
            DELIVERIES.histogram,
            (before, after),
            ("before", "beside them"),
            factor_max=self.parameters.slower_max,
            grace_us=GRACE_US,
        )


def _let_go(phases: Sequence[Measured]) -> CheckOutcome:
    stopped, closed = (total(phases, name) for name in ("stopped", "let_go"))
    return CheckOutcome(
        name="the hub let go of those who stopped",
        passed=stopped == closed,
        detail=f"{closed:,} of {stopped:,} closed",
    )


class Stopped(Listener):
    """Counts those of the stopped that the hub has let go of, by the code that it closed with."""

    def __init__(self) -> None:
        self.let_go: Counter[int] = Counter()

    def closed(self, client: Connection, code: int, reason: str) -> None:
        """See base. 3008 is the hub's word for it; another way of hanging up frees it as well."""
        self.let_go[code] += 1


class SlowPlayer(PublishingPlayer[SlowParameters]):
    """See `load.share.Player`. The stopped have the numbers after those of the clients."""

    def __init__(self, share: Share) -> None:
        parameters = msgspec.convert(share.parameters, SlowParameters)
        super().__init__(share, parameters, rooms=1, publishers=1)
        self.stopped = Stopped()
        self.stopping = Crowd(
            share,
            listener=lambda _: self.stopped,
            subscriptions=lambda _: [SubscribeRequest(self.channel(0))],
        )

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See Player."""
        if not name.startswith(SOME_STOP):
            await super().phase(name, changes, recorder)
            return
        parameters = msgspec.structs.replace(self.parameters, **changes)
        let_go = self.stopped.let_go
        let_go.clear()
        first = parameters.clients
        mine = [number for number in self.share.mine(first + parameters.stopped) if number >= first]
        await self.stopping.fill(mine, parameters.open_rate / self.share.processes)
        for client in self.stopping.clients.values():
            client.pause()
        await super().phase(name, changes, recorder)
        for client in self.stopping.clients.values():
            # What the hub has said at last stands behind all that was not read.
            client.resume()
        await drained(let_go.total, len(mine), parameters.drain_s)
        recorder.counts["stopped"] += len(mine)
        recorder.counts["let_go"] += let_go.total()
        for code, count in let_go.items():
            recorder.counts[f"let_go_{code}"] += count
        self.stopping.close()

    async def cleanup(self) -> None:
        """See Player."""
        self.stopping.close()
        await super().cleanup()
