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
from realtime.protocol.envelope import COMMANDS_PER_FRAME_MAX
from realtime.protocol.protobuf import varints
from realtime.protocol.protobuf.replies import (
    write_error,
    write_info,
    write_push,
    write_result,
    write_tags,
)
from realtime.protocol.protobuf.requests import read_command
from realtime.protocol.replies import PublishResult, Push, Result

# Tags: a field's number, and whether a varint or a length follows.
_ID: Final = 0x08
_PUBLISH: Final = 0x3A
_CHANNEL: Final = 0x0A
_DATA: Final = 0x12


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
        for _ in range(COMMANDS_PER_FRAME_MAX):
            if at == end:
                break
            length = payload[at]
            at += 1
            if length > 127:
                length, at = varints.read_length(payload, at - 1)
            stop = at + length
            if stop > end:
                break
            if length:
                command = _read_publish(payload, at, stop)
                commands.append(command or read_command(payload[at:stop]))
            else:
                commands.append(PONG)
            at = stop
        if at != end or not commands:  # too many, cut off, or none
            raise ConnectionRefused(MALFORMED)
        return commands

    def reply(self, id: int, result: Result) -> bytes:
        """See Codec."""
        if type(result) is PublishResult:  # the one reply of the hot path
            number = varints.of(id)
            return b"%c\x08%bB\x00" % (3 + len(number), number)
        return _delimited(write_result(id, result))

    def refusal(self, id: int, error: Error) -> bytes:
        """See Codec."""
        return _delimited(write_error(id, error))

    def publication(self, entry: Entry) -> bytes:
        """See Codec. Written by hand: this runs once per publication and wire format."""
        data = entry.data
        pub = b'"%b%b' % (varints.of(len(data)), data) if data else b""
        if entry.info is not None:
            pub += _info_field(entry.info)
        if entry.offset:
            pub += b"0" + varints.of(entry.offset)
        if entry.tags:
            pub += write_tags(entry.tags)
        push = b"%b%b%b" % (_push_head(entry.channel), varints.of(len(pub)), pub)
        size = varints.of(len(push))
        return b'%b"%b%b' % (varints.of(len(push) + len(size) + 1), size, push)

    def push(self, channel: str, push: Push) -> bytes:
        """See Codec."""
        return _delimited(write_push(channel, push))

    def info(self, info: ClientInfo) -> bytes:
        """See Codec."""
        return write_info(info)


def _delimited(message: bytes) -> bytes:
    return varints.of(len(message)) + message


@lru_cache(maxsize=8192)
def _push_head(channel: str) -> bytes:
    """A push up to its publication's length. Channels recur, and names are at most 255 bytes."""
    name = channel.encode()
    return b'\x12%b%b"' % (varints.of(len(name)), name) if name else b'"'


@lru_cache(maxsize=2048)
def _info_field(info: ClientInfo) -> bytes:
    """A publisher's info recurs with each of its messages. Its size is bounded by its tokens'."""
    return b"*" + _delimited(write_info(info))


def _read_publish(data: bytes, at: int, stop: int) -> Command | None:
    """A publish as encoders write it: an id, then a channel and data, in this order, all there.

    None for any other message, and for one with longer numbers than are read here. Raises
    ConnectionRefused (3501) where the channel is not UTF-8.
    """
    try:
        if data[at] != _ID:
            return None
        id = data[at + 1]
        at += 2
        if id > 127:
            following = data[at]
            at += 1
            id += (following - 1) << 7
            if following > 127:
                id += (data[at] - 1) << 14
                at += 1
        if data[at] != _PUBLISH:
            return None
        length = data[at + 1]
        at += 2
        if length > 127:
            length += (data[at] - 1) << 7
            at += 1
        if at + length != stop or data[at] != _CHANNEL:
            return None
        channel_at = at + 2
        channel_stop = channel_at + data[at + 1]
        if channel_stop >= channel_at + 128 or data[channel_stop] != _DATA:
            return None
        length = data[channel_stop + 1]
        at = channel_stop + 2
        if length > 127:
            length += (data[at] - 1) << 7
            at += 1
        if at + length != stop or not length or not id:
            return None
        channel = data[channel_at:channel_stop].decode()
        return Command(id, PublishRequest(channel, msgspec.Raw(data[at:stop])))
    except IndexError:  # the message ends before it is one
        return None
    except UnicodeDecodeError:
        raise ConnectionRefused(MALFORMED) from None
