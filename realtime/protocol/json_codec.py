"""The JSON wire format (protocol 1.1 to 1.3).

A frame carries one or more documents, separated by one newline, in both directions. So no document
may contain a raw newline; payloads are cleaned of them at the door (`compact`), where a payload
that can hold one enters.
"""

from functools import lru_cache
from typing import Final

import msgspec
import orjson

from realtime.errors import BAD_REQUEST, MALFORMED, CommandRefused, ConnectionRefused, Error
from realtime.model import ClientInfo, Entry
from realtime.protocol.commands import (
    Command,
    ConnectRequest,
    HistoryRequest,
    PresenceRequest,
    PresenceStatsRequest,
    PublishRequest,
    RefreshRequest,
    Request,
    RpcRequest,
    SendRequest,
    SubRefreshRequest,
    SubscribeRequest,
    UInt32,
    UnsubscribeRequest,
)
from realtime.protocol.envelope import (
    COMMANDS_PER_FRAME_MAX,
    KEPT_INFO_BYTES_MAX,
    PRECEDENCE,
    PingRequest,
    command,
)
from realtime.protocol.replies import Info, Publication, PublishResult, Push, Result


class _Envelope(msgspec.Struct, gc=False):
    """A command as it comes: at most one method is expected, of those in `PRECEDENCE`."""

    id: UInt32 = 0
    connect: ConnectRequest | None = None
    ping: PingRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: UnsubscribeRequest | None = None
    publish: PublishRequest | None = None
    presence: PresenceRequest | None = None
    presence_stats: PresenceStatsRequest | None = None
    history: HistoryRequest | None = None
    rpc: RpcRequest | None = None
    send: SendRequest | None = None
    refresh: RefreshRequest | None = None
    sub_refresh: SubRefreshRequest | None = None


class _PushEnvelope(msgspec.Struct, frozen=True, gc=False):
    push: dict[str, object]


_decode = msgspec.json.Decoder(_Envelope).decode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_encode = msgspec.json.Encoder().encode

# Numbers: `in` takes what it is given for one first, and with bytes that fails, which costs more
# than the search.
_NEWLINE: Final = 0x0A
_RETURN: Final = 0x0D


class JsonCodec:
    """See `realtime.protocol.codec.Codec`."""

    name = "json"
    is_binary = False
    is_unidirectional = False
    ping = b"{}"

    def decode(self, payload: bytes) -> list[Command]:
        """The commands of one text frame whose payload is known to be valid UTF-8."""
        try:
            if _NEWLINE not in payload:
                return [_command(_decode(payload))]
            if payload.endswith(b"\n"):  # a single trailing newline is accepted (1.1)
                payload = payload[:-1]
            documents = payload.split(b"\n", COMMANDS_PER_FRAME_MAX)
            if len(documents) > COMMANDS_PER_FRAME_MAX:
                raise ConnectionRefused(MALFORMED)
            return [_command(_decode(document)) for document in documents]
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise ConnectionRefused(MALFORMED) from None

    def reply(self, id: int, result: Result) -> bytes:
        """See Codec."""
        if type(result) is PublishResult:  # the one reply of the hot path
            return b'{"id":%d,"publish":{}}' % id
        return b'{"id":%d,"%b":%b}' % (id, result.method.encode(), _encode(result))

    def refusal(self, id: int, error: Error) -> bytes:
        """See Codec."""
        temporary = b',"temporary":true' if error.temporary else b""
        return b'{"id":%d,"error":{"code":%d,"message":%b%b}}' % (
            id,
            error.code,
            orjson.dumps(error.message),
            temporary,
        )

    def publication(self, entry: Entry) -> bytes:
        """See Codec. Written by hand: this runs once per publication and wire format."""
        data = entry.data
        if not data:  # left out like every zero value; no client's publication is like this
            return _encode(_PushEnvelope({"channel": entry.channel, "pub": Publication.of(entry)}))
        head = _publication_head(entry.channel)
        info = _info_member(entry.info) if entry.info is not None else b""
        tags = b',"tags":%b' % _encode(entry.tags) if entry.tags else b""
        if entry.offset:
            return b'%b%b%b%b,"offset":%d}}}' % (head, data, info, tags, entry.offset)
        return b"%b%b%b%b}}}" % (head, data, info, tags)

    def push(self, channel: str, push: Push) -> bytes:
        """See Codec."""
        named: dict[str, object] = {"channel": channel} if channel else {}
        named[push.kind] = push
        return _encode(_PushEnvelope(named))

    def info(self, info: ClientInfo) -> bytes:
        """See Codec."""
        return _encode(Info.of(info))


@lru_cache(maxsize=8192)
def _publication_head(channel: str) -> bytes:
    """Everything before a publication's data. Channels recur, and names are at most 255 bytes."""
    return b'{"push":{"channel":%b,"pub":{"data":' % orjson.dumps(channel)


def _info_member(info: ClientInfo) -> bytes:
    if len(info.conn_info) + len(info.chan_info) + len(info.user) <= KEPT_INFO_BYTES_MAX:
        return _kept_info_member(info)
    return _new_info_member(info)


def _new_info_member(info: ClientInfo) -> bytes:
    return b',"info":' + _encode(Info.of(info))


# A publisher's info recurs with each of its messages.
_kept_info_member = lru_cache(maxsize=2048)(_new_info_member)


def _command(envelope: _Envelope) -> Command:
    """The one request of an envelope. Raises ConnectionRefused (3501) where there is none."""
    publish = envelope.publish
    if (  # the hot path: a publish and nothing before it
        publish is not None
        and envelope.id
        and envelope.connect is None
        and envelope.ping is None
        and envelope.subscribe is None
        and envelope.unsubscribe is None
    ):
        return Command(envelope.id, publish)
    return command(envelope.id, _first(envelope))


def _first(envelope: _Envelope) -> Request | None:
    for method in PRECEDENCE:
        request: Request | None = getattr(envelope, method)
        if request is not None:
            return request
    return None


def compact(data: bytes) -> bytes:
    """The payload without raw line breaks, which in valid JSON can only be white space (1.1)."""
    if _NEWLINE in data or _RETURN in data:
        return data.translate(None, b"\r\n")
    return data


def read_payload(data: bytes) -> bytes:
    """The JSON value that `data` is, compact, where the format it came in did not have to show it.

    The verdict is the one that `JsonCodec.decode` has on a payload: what one client may publish
    another may. Raises CommandRefused (107) for anything else.
    """
    try:
        if not data.isascii():
            data.decode()
        return compact(bytes(_decode_raw(data)))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise CommandRefused(BAD_REQUEST) from None
