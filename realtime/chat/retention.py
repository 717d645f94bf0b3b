"""How much of a channel's log chat may look at, by what its namespace keeps. Pure."""

from realtime.chat.ports import Stage
from realtime.errors import CommandRefused
from realtime.model import EVERYTHING, Retention
from realtime.settings.schema import ChannelOptions


def retention_of(options: ChannelOptions) -> Retention:
    """What a namespace with these options lets be seen."""
    return Retention(options.history_size, options.history_ttl_ms)


def retention_at(stage: Stage, channel: str) -> Retention:
    """What may be seen of a channel; all of it where its namespace is not configured.

    For work in the background: the namespace may be configured again, and what was taken for
    hidden meanwhile would be lost for good.
    """
    try:
        return retention_of(stage.options(channel))
    except CommandRefused:
        return EVERYTHING
