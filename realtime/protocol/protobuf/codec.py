"""The Protobuf codec: messages behind their lengths, one after another (protocol 1.1).

What happens once per publish or publication is written by hand, since it takes less time than to
make messages; everything else goes through the generated module.
"""

from functools import lru_cache
from typing import Final

import msgspec

from realtime.errors import MALFORMED, ConnectionRefused, Error
from realtime.model import ClientInfo, Entry
from realtime.protocol.commands import PONG, Command, PublishRequest
from realtime.protocol.envelope import COMMANDS_PER_FRAME_MAX, KEPT_INFO_BYTES_MAX
from realtime.protocol.protobuf import varints
from realtime.protocol.protobuf.replies import (
    write_error,
    write_info,
    write_publication,
    write_push,
    write_result,
)
from realtime.protocol.protobuf.requests import read_command
from realtime.protocol.replies import PublishResult, Push, Result

# Tags: a field's number, and whether a varint or a length follows.
_ID: Final = 0x08
_PUBLISH: Final = 0x3A
_CHANNEL: Final = 0x0A
_DATA: Final = 0x12

# The varints of most lengths, looked up rather than made.
_LONG: Final = 2048
_SHORT: Final = tuple(varints.of(number) for number in range(_LONG))

# The reply to a publish: its length and the tag of its id, by how many bytes the id takes; then
# the id, and an empty result.
_PUBLISHED_HEADS: Final = tuple(bytes((3 + size, _ID)) for size in range(6))
_PUBLISHED: Final = b"B\x00"


class ProtobufCodec:
    """See `realtime.protocol.codec.Codec`. Every document has its length before it."""

    name = "protobuf"
    is_binary = True
    is_unidirectional = False
    ping = b"\x00"

    def decode(self, payload: bytes) -> list[Command]:
        """See Codec. The commands of one binary frame; an empty message is a pong."""
        commands: list[Command] = []
        at, end = 0, len(payload)
        while at < end:
            length = payload[at]
            at += 1
            if length > 127:
                following = payload[at] if at < end else 128
                if following > 127:
                    length, at = varints.read_length(payload, at - 1)
                else:  # two bytes: messages are rarely so long that they need another
                    length += (following - 1) << 7
                    at += 1
            stop = at + length
            if stop > end:
                break
            if length:
                command = _read_publish(payload, at, stop)
                commands.append(command or read_command(payload[at:stop]))
            else:
                commands.append(PONG)
            if stop == end:
                return commands
            if len(commands) == COMMANDS_PER_FRAME_MAX:
                break
            at = stop
        raise ConnectionRefused(MALFORMED)  # none, cut off, or too many

    def reply(self, id: int, result: Result) -> bytes:
        """See Codec."""
        if type(result) is PublishResult:  # the one reply of the hot path
            number = _SHORT[id] if id < _LONG else varints.of(id)
            return b"%b%b%b" % (_PUBLISHED_HEADS[len(number)], number, _PUBLISHED)
        return _delimited(write_result(id, result))

    def refusal(self, id: int, error: Error) -> bytes:
        """See Codec."""
        return _delimited(write_error(id, error))

    def publication(self, entry: Entry) -> bytes:
        """See Codec. Written by hand, from the inside out: each part's length comes before it.

        This runs once per publication and wire format.
        """
        data = entry.data
        if not data or entry.tags:
            return _delimited(write_publication(entry))
        info = entry.info
        if (
            info is None
            or len(info.conn_info) + len(info.chan_info) + len(info.user) <= KEPT_INFO_BYTES_MAX
        ):
            head, head_size, tail, tail_size = _kept_around(entry.channel, info)
        else:
            head, head_size, tail, tail_size = _around(entry.channel, info)
        if entry.offset:
            tail = b"%b0%b" % (tail, varints.of(entry.offset))
            tail_size = len(tail)
        size = len(data)
        data_size = _SHORT[size] if size < _LONG else varints.of(size)
        size += 1 + len(data_size) + tail_size
        pub_size = _SHORT[size] if size < _LONG else varints.of(size)
        size += head_size + len(pub_size)
        push_size = _SHORT[size] if size < _LONG else varints.of(size)
        size += 1 + len(push_size)
        reply_size = _SHORT[size] if size < _LONG else varints.of(size)
        return b'%b"%b%b%b"%b%b%b' % (
            reply_size,
            push_size,
            head,
            pub_size,
            data_size,
            data,
            tail,
        )

    def push(self, channel: str, push: Push) -> bytes:
        """See Codec."""
        return _delimited(write_push(channel, push))

    def info(self, info: ClientInfo) -> bytes:
        """See Codec."""
        return write_info(info)


def _delimited(message: bytes) -> bytes:
    return varints.of(len(message)) + message


def _around(channel: str, info: ClientInfo | None) -> tuple[bytes, int, bytes, int]:
    """A push up to its publication's length, what follows the data, and the sizes of both.

    Names are at most 255 bytes, infos bounded by their tokens'.
    """
    name = channel.encode()
    head = b'\x12%b"' % _delimited(name) if name else b'"'
    tail = b"*" + _delimited(write_info(info)) if info is not None else b""
    return head, len(head), tail, len(tail)


# Publishers recur in their channels.
_kept_around = lru_cache(maxsize=8192)(_around)


def _read_publish(data: bytes, at: int, stop: int) -> Command | None:
    """A publish as encoders write it: an id, then a channel and data, in this order, all there.

    None for any other message, and for one with longer numbers than are read here. Raises
    ConnectionRefused (3501) where the channel is not UTF-8.
    """
    # Each number is a varint. Where its first byte says that another follows, `- 1` takes that mark
    # off again. The tags between are looked at last, in one go.
    try:
        id = data[at + 1]
        publish_at = at + 2
        if id > 127:
            id += (data[publish_at] - 1) << 7
            publish_at += 1
            if id > 16_383:
                id += (data[publish_at] - 1) << 14
                publish_at += 1
        if data[publish_at] != _PUBLISH:
            return None
        length = data[publish_at + 1]
        channel_at = publish_at + 2
        if length > 127:
            length += (data[channel_at] - 1) << 7
            channel_at += 1
        publish_stop = channel_at + length
        name_at = channel_at + 2
        data_at = name_at + data[channel_at + 1]
        length = data[data_at + 1]
        payload_at = data_at + 2
        if length > 127:
            length += (data[payload_at] - 1) << 7
            payload_at += 1
        # A third byte of a length would be taken for what follows: the payload's makes it too long,
        # the publish's shows here, in the place of a tag or of a length's only byte otherwise.
        if (
            payload_at + length != stop
            or publish_stop != stop
            or data[at] != _ID
            or data[channel_at] != _CHANNEL
            or data[data_at] != _DATA
            or not 0 < length <= 16_383
            or not 0 < id <= 2_097_151
            or data_at > name_at + 127
            or data[channel_at - 1] > 127
        ):
            return None
        channel = data[name_at:data_at].decode()
        return Command(id, PublishRequest(channel, msgspec.Raw(data[payload_at:stop])))
    except IndexError:  # the message ends before it is one
        return None
    except UnicodeDecodeError:
        raise ConnectionRefused(MALFORMED) from None
