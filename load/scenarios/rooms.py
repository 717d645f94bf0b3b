"""`rooms`: everyone publishes in turn, each into its own room."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from load.scenarios.base import Clients, Parameters, Rate
from load.scenarios.housing import room_count
from load.scenarios.publishing import Publishing, PublishingParameters, PublishingPlayer
from load.share import Share


class RoomsParameters(PublishingParameters, frozen=True):
    """What `rooms` is asked for."""

    clients: Annotated[Clients, Meta(description="clients; each is in one room")] = 100
    rooms: Annotated[Clients, Meta(description="rooms, a channel each")] = 10
    rate: Annotated[Rate, Meta(description="publications a second, over all rooms")] = 100.0


class Rooms(Publishing[RoomsParameters]):
    """See base. Who publishes hears itself, too: a publication has clients / rooms deliveries."""

    name: ClassVar[str] = "rooms"
    summary: ClassVar[str] = "clients in rooms publish in turn, everyone in the room receives"
    parameters_type: ClassVar[type[Parameters]] = RoomsParameters
    player: ClassVar[str] = "load.scenarios.rooms:RoomsPlayer"

    def rooms(self) -> int:
        """See base."""
        return room_count(self.parameters)


class RoomsPlayer(PublishingPlayer[RoomsParameters]):
    """See `load.share.Player`."""

    def __init__(self, share: Share) -> None:
        parameters = msgspec.convert(share.parameters, RoomsParameters)
        super().__init__(
            share, parameters, rooms=room_count(parameters), publishers=parameters.clients
        )
