"""`fanout`: one publishes, all receive."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from load.scenarios.base import Clients, Parameters, Rate
from load.scenarios.publishing import Publishing, PublishingParameters, PublishingPlayer
from load.share import Share


class FanoutParameters(PublishingParameters, frozen=True):
    """What `fanout` is asked for."""

    clients: Annotated[Clients, Meta(description="subscribers of the one channel")] = 100
    rate: Annotated[Rate, Meta(description="publications a second")] = 50.0


class Fanout(Publishing[FanoutParameters]):
    """See base. The first client publishes, and hears itself."""

    name: ClassVar[str] = "fanout"
    summary: ClassVar[str] = "one client publishes at a rate, all subscribers of a channel receive"
    parameters_type: ClassVar[type[Parameters]] = FanoutParameters
    player: ClassVar[str] = "load.scenarios.fanout:FanoutPlayer"


class FanoutPlayer(PublishingPlayer[FanoutParameters]):
    """See `load.share.Player`."""

    def __init__(self, share: Share) -> None:
        parameters = msgspec.convert(share.parameters, FanoutParameters)
        super().__init__(share, parameters, rooms=1, publishers=1)
