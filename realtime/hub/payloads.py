"""What payloads may be: JSON, or any bytes where a namespace says so (`data_format`)."""

from realtime.channels.rules import ChannelRules
from realtime.errors import (
    BAD_REQUEST,
    INAPPROPRIATE_PROTOCOL,
    CommandRefused,
    ConnectionRefused,
)
from realtime.hub.client import Client
from realtime.protocol.json_codec import compact, read_payload


def check_format(client: Client, rules: ChannelRules) -> None:
    """Whether the client's format can carry the channel's payloads.

    To be asked before any of them goes to the client. Raises ConnectionRefused (3506).
    """
    if rules.data_format == "binary" and not client.wire.codec.is_binary:
        raise ConnectionRefused(INAPPROPRIATE_PROTOCOL)


def read_published(client: Client, data: bytes, rules: ChannelRules) -> bytes:
    """What the client publishes, as everybody gets it. Raises CommandRefused (107).

    In JSON it has no line breaks (protocol 1.1), whichever format it came in: JSON clients get the
    same bytes. What came in JSON was seen to be JSON when it was decoded.
    """
    if rules.data_format != "binary":
        data = read_payload(data) if client.wire.codec.is_binary else compact(data)
    check_data(data, rules)
    return data


def check_data(data: bytes, rules: ChannelRules) -> None:
    """Whether the namespace takes the payload; none takes an empty one. Raises CommandRefused."""
    if not data:
        raise CommandRefused(BAD_REQUEST)
    if rules.data_format == "json_object" and not data.lstrip(b" \t\r\n").startswith(b"{"):
        raise CommandRefused(BAD_REQUEST)
