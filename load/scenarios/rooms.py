"""`rooms`: everyone publishes in turn, each into its own room."""

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


class RoomsParameters(PublishingParameters, frozen=True):
    """What `rooms` is asked for."""

    clients: Annotated[Clients, Meta(description="clients; each is in one room")] = 100
    rooms: Annotated[Clients, Meta(description="rooms, a channel each")] = 10
    rate: Annotated[Rate, Meta(description="publications a second, over all rooms")] = 100.0


class Rooms:
    """See base. Who publishes hears itself, too: a publication has clients / rooms deliveries."""

    name: ClassVar[str] = "rooms"
    summary: ClassVar[str] = "clients in rooms publish in turn, everyone in the room receives"
    subject: ClassVar[Subject] = DELIVERIES
    parameters_type: ClassVar[type[Parameters]] = RoomsParameters
    warms_up: ClassVar[bool] = True
    player: ClassVar[str] = "load.scenarios.rooms:RoomsPlayer"

    def __init__(self, parameters: RoomsParameters) -> None:
        self.parameters = parameters

    def phases(self) -> Sequence[Phase]:
        """See base."""
        return (self.raised(),)

    def connections(self, processes: int) -> int:
        """See base."""
        return part(self.parameters.clients, processes)

    def leaves(self, run: str) -> Sequence[str]:
        """See base."""
        return channels_of(
            self.parameters, run, min(self.parameters.rooms, self.parameters.clients)
        )

    def raised(self) -> Phase:
        """See base."""
        return Phase(STEADY)

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """See base."""
        return everything_arrived(measured)


class RoomsPlayer(PublishingPlayer[RoomsParameters]):
    """See `load.share.Player`."""

    def __init__(self, share: Share) -> None:
        parameters = msgspec.convert(share.parameters, RoomsParameters)
        rooms = min(parameters.rooms, parameters.clients)
        super().__init__(share, parameters, rooms=rooms, publishers=parameters.clients)
