"""`fanout`: one publishes, all receive."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from load.measured import CheckOutcome, Measured
from load.scenarios.base import Clients, Parameters, Phase, Rate, Subject, part
from load.scenarios.publishing import (
    DELIVERIES,
    STEADY,
    PublishingParameters,
    PublishingPlayer,
    channels_of,
    everything_arrived,
)
from load.share import Share


class FanoutParameters(PublishingParameters, frozen=True):
    """What `fanout` is asked for."""

    clients: Annotated[Clients, Meta(description="subscribers of the one channel")] = 100
    rate: Annotated[Rate, Meta(description="publications a second")] = 50.0


class Fanout:
    """See base. The first client publishes, and hears itself."""

    name: ClassVar[str] = "fanout"
    summary: ClassVar[str] = "one client publishes at a rate, all subscribers of a channel receive"
    subject: ClassVar[Subject] = DELIVERIES
    parameters_type: ClassVar[type[Parameters]] = FanoutParameters
    warms_up: ClassVar[bool] = True
    player: ClassVar[str] = "load.scenarios.fanout:FanoutPlayer"

    def __init__(self, parameters: FanoutParameters) -> None:
        self.parameters = parameters

    def phases(self) -> Sequence[Phase]:
        """See base."""
        return (self.raised(),)

    def connections(self, processes: int) -> int:
        """See base."""
        return part(self.parameters.clients, processes)

    def leaves(self, run: str) -> Sequence[str]:
        """See base."""
        return channels_of(self.parameters, run, 1)

    def raised(self) -> Phase:
        """See base."""
        return Phase(STEADY)

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """See base."""
        return everything_arrived(measured)


class FanoutPlayer(PublishingPlayer[FanoutParameters]):
    """See `load.share.Player`."""

    def __init__(self, share: Share) -> None:
        parameters = msgspec.convert(share.parameters, FanoutParameters)
        super().__init__(share, parameters, rooms=1, publishers=1)
