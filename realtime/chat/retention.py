"""How much of a channel's log chat may look at: by its namespace, and by its own settings. Pure."""

from realtime.chat.channel_events import SettingsChange, own_retention
from realtime.chat.ports import Rules
from realtime.chat.refusals import invalid
from realtime.errors import CommandRefused
from realtime.model import EVERYTHING, Retention
from realtime.rows import ChannelRow
from realtime.settings.schema import ChannelOptions


def retention_of(options: ChannelOptions) -> Retention:
    """What a namespace with these options lets be seen."""
    return Retention(options.history_size, options.history_ttl_ms)


def retention_at(rules: Rules, row: ChannelRow) -> Retention:
    """What may be seen of a channel; all of it where its namespace is not configured.

    For work in the background: the namespace may be configured again, and what was taken for
    hidden meanwhile would be lost for good.
    """
    try:
        options = rules.options(row.channel)
    except CommandRefused:
        return EVERYTHING
    return retention_of(options).within(own_retention(row))


def check_retention(change: SettingsChange, options: ChannelOptions) -> None:
    """Whether a channel may be set to this: it keeps no more than its namespace.

    Raises CallRefused (422). Where the namespace comes to keep less later, that holds.
    """
    most = retention_of(options)
    if isinstance(change.history_size, int) and 0 <= most.size < change.history_size:
        raise invalid("settings.history_size")
    if isinstance(change.history_ttl_s, int) and 0 < most.ttl_ms < change.history_ttl_s * 1000:
        raise invalid("settings.history_ttl_s")
