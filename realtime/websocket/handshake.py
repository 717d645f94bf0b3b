"""The check of an opening handshake: a request head in, accepted or refused out (RFC 6455, 4.2).

Held against `websockets`: what it refuses is refused here, and the other way round, except for
what the functions below say. No extension is ever negotiated, so offers of any are ignored.
"""

import binascii
import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from websockets.exceptions import InvalidHeader
from websockets.headers import parse_connection, parse_subprotocol, parse_upgrade

from realtime.websocket.head import RequestHead
from realtime.websocket.origins import origin_allowed
from realtime.websocket.responses import Refuse

JSON_SUBPROTOCOL: Final = "centrifuge-json"
PROTOBUF_SUBPROTOCOL: Final = "centrifuge-protobuf"
_SUBPROTOCOLS: Final = frozenset((JSON_SUBPROTOCOL, PROTOBUF_SUBPROTOCOL))

NOT_GET: Final = Refuse(405, "A websocket is opened with GET.")
NOT_HTTP_1_1: Final = Refuse(505, "A websocket is opened with HTTP/1.1.")
HAS_BODY: Final = Refuse(400, "A websocket is opened without a request body.")
BAD_HOST: Final = Refuse(400, "Exactly one valid Host header is needed.")
NO_UPGRADE: Final = Refuse(426, "Here is a websocket; a websocket client is needed.")
BAD_UPGRADE: Final = Refuse(400, "The Connection or Upgrade header is malformed.")
BAD_KEY: Final = Refuse(400, "Exactly one Sec-WebSocket-Key of 16 bytes in base64 is needed.")
BAD_VERSION: Final = Refuse(400, "Exactly one Sec-WebSocket-Version header is needed.")
OTHER_VERSION: Final = Refuse(426, "Sec-WebSocket-Version must be 13.")
BAD_ORIGIN: Final = Refuse(400, "The Origin header came more than once.")
FORBIDDEN_ORIGIN: Final = Refuse(403, "This origin may not connect.")
BAD_SUBPROTOCOL: Final = Refuse(400, "The Sec-WebSocket-Protocol header is malformed.")

# A name, an IPv4 address or an IPv6 address in brackets, and a port (RFC 9110, 7.2). Registered
# names are hardly restricted (RFC 3986, 3.2.2).
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~%!$&'()*+,;=-]+|\[[A-Za-z0-9.:_~%-]+\])(?::[0-9]*)?")

# The spellings of all browsers and libraries, which need no parsing.
_UPGRADES: Final = frozenset(("websocket", "WebSocket"))
_CONNECTIONS: Final = frozenset(("Upgrade", "upgrade", "keep-alive, Upgrade"))


class Accept(msgspec.Struct, frozen=True, gc=False):
    """The handshake is good: answer with `accept_response(key, subprotocol)`.

    `path` is what was asked for. `frame_ping_pong`: the client asked for native ping frames
    (protocol 1.6). `is_protobuf`: it speaks Protobuf, in binary messages; else JSON, in text.
    """

    key: str
    subprotocol: str | None
    frame_ping_pong: bool
    path: str
    is_protobuf: bool


def check(head: RequestHead, allowed_origins: Sequence[str]) -> Accept | Refuse:
    """Judge a request for a websocket; which path was asked for is the caller's business.

    A subprotocol says which format the client speaks: of those it offers, the first that we know.
    Where it offers none of ours the query says it (protocol 1.12), and where that does not, JSON.

    Stricter than `websockets`: `Host` is checked, and origins follow `origin_allowed`. More
    lenient: an empty `Sec-WebSocket-Protocol` counts as none, since centrifuge-python sends it
    (protocol 1.12). With other statuses: a version other than 13 gets 426 and the version that we
    do speak (RFC 6455, 4.4).
    """
    if head.method != "GET":
        return NOT_GET
    if head.version != "1.1":
        return NOT_HTTP_1_1
    headers = head.headers
    # Some devices send a length of 0.
    length = set(head.values("content-length")) if "content-length" in headers else {"0"}
    if length != {"0"} or "transfer-encoding" in headers:
        return HAS_BODY
    host = headers.get("host", "")
    if "host" in head.repeated or _HOST.fullmatch(host) is None:
        return BAD_HOST
    refusal = _check_upgrade(head) or _check_key_and_version(head)
    if refusal is not None:
        return refusal
    if "origin" in head.repeated:
        return BAD_ORIGIN
    if not origin_allowed(headers.get("origin"), host, allowed_origins):
        return FORBIDDEN_ORIGIN
    wants_protobuf, frame_ping_pong = _read_query(head.query) if head.query else (False, False)
    subprotocol = _choose_subprotocol(head) if "sec-websocket-protocol" in headers else None
    if isinstance(subprotocol, Refuse):
        return subprotocol
    if subprotocol is not None:
        wants_protobuf = subprotocol == PROTOBUF_SUBPROTOCOL
    return Accept(
        headers["sec-websocket-key"], subprotocol, frame_ping_pong, head.path, wants_protobuf
    )


def _check_upgrade(head: RequestHead) -> Refuse | None:
    if head.headers.get("connection") not in _CONNECTIONS or "connection" in head.repeated:
        options = _parse_list(parse_connection, head.values("connection"))
        if options is None:
            return BAD_UPGRADE
        if not any(option.lower() == "upgrade" for option in options):
            return NO_UPGRADE
    if head.headers.get("upgrade") not in _UPGRADES or "upgrade" in head.repeated:
        protocols = _parse_list(parse_upgrade, head.values("upgrade"))
        if protocols is None:
            return BAD_UPGRADE
        # A choice between protocols could be accepted (RFC 9110, 7.8), but nobody offers one.
        if len(protocols) != 1 or protocols[0].lower() != "websocket":
            return NO_UPGRADE
    return None


def _check_key_and_version(head: RequestHead) -> Refuse | None:
    key = head.headers.get("sec-websocket-key", "")
    if len(key) != 24 or "sec-websocket-key" in head.repeated:
        return BAD_KEY
    try:
        raw_key = binascii.a2b_base64(key, strict_mode=True)
    except ValueError:
        return BAD_KEY
    if len(raw_key) != 16:
        return BAD_KEY
    version = head.headers.get("sec-websocket-version")
    if version is None or "sec-websocket-version" in head.repeated:
        return BAD_VERSION
    return None if version == "13" else OTHER_VERSION


def _choose_subprotocol(head: RequestHead) -> str | Refuse | None:
    """The first offered that we know, named in the response; others are passed over."""
    values = [value for value in head.values("sec-websocket-protocol") if value]
    offers = _parse_list(parse_subprotocol, values)
    if offers is None:
        return BAD_SUBPROTOCOL
    return next((offer for offer in offers if offer in _SUBPROTOCOLS), None)


def _parse_list(parse: Callable[[str], Sequence[str]], values: Sequence[str]) -> list[str] | None:
    """The items of a list-valued header (RFC 9110, 5.6.1); None if it is malformed."""
    try:
        return [item for value in values for item in parse(value)]
    except InvalidHeader:
        return None


def _read_query(query: str) -> tuple[bool, bool]:
    """Whether the query asks for Protobuf, and for native pings (protocol 1.6 and 1.12)."""
    fields: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        fields.setdefault(name, value)
    wants_protobuf = "protobuf" in (fields.get("format"), fields.get("cf_protocol"))
    return wants_protobuf, fields.get("cf_ws_frame_ping_pong") == "true"
