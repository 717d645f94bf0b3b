"""The compact serialization of a signed token (RFC 7515, 7.1) and the JSON inside, read strictly.

Tokens come from strangers, so there is one reading of each, or none: base64url without padding,
foreign characters or stray bits; JSON without duplicate members, lone surrogates or numbers that
overflow. `TokenInvalid` is the only exception, whatever the bytes are.
"""

import binascii
import json
from typing import Final, NamedTuple

import orjson

from realtime.auth.errors import TokenInvalid

TOKEN_MAX: Final = 16_384
"""The longest token that is looked at, in characters. Longer ones are refused before any work."""

_TO_BASE64: Final = bytes.maketrans(b"-_+/=", b"+/\0\0\0")
"""base64url's alphabet as base64's; what only base64 has becomes a byte that neither has."""

_PADDING: Final = (b"", b"", b"==", b"=")

# RFC 4648, 3.5: the bits that fill up the last character "MUST be set to zero" by who encodes.
# A decoder that ignores them would take several texts for one signature.
_LAST: Final = (None, None, frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))


class Compact(NamedTuple):
    """A token cut at its dots. `signed` is header, dot and payload: what the signature covers."""

    header: bytes
    payload: bytes
    signature: bytes
    signed: bytes


def cut(token: bytes) -> Compact:
    """Cut a token into its three segments, none of which may be empty. Decodes nothing."""
    signed, _, signature = token.rpartition(b".")
    header, _, payload = signed.partition(b".")
    if not header or not payload or not signature or b"." in payload:
        raise TokenInvalid("format")
    return Compact(header, payload, signature, signed)


def base64url_decode(segment: bytes) -> bytes:
    """Decode a segment that is the one right encoding of its bytes."""
    odd = len(segment) & 3
    last = _LAST[odd]
    if last is not None and segment[-1] not in last:
        raise TokenInvalid("format")
    try:
        return binascii.a2b_base64(segment.translate(_TO_BASE64) + _PADDING[odd], strict_mode=True)
    except binascii.Error:
        raise TokenInvalid("format") from None


def read_json(text: bytes) -> object:
    """Read one JSON document (RFC 8259); integers are exact."""
    try:
        # orjson knows the grammar to the letter but keeps the last of two members with one name
        # and rounds long integers; the standard library is the other way round.
        orjson.loads(text)
        value: object = _DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        raise TokenInvalid("format") from None
    return value


def read_object(text: bytes) -> dict[str, object]:
    """Read a JSON document that is an object."""
    value = read_json(text)
    if not isinstance(value, dict):
        raise TokenInvalid("format")
    return value


def compact_json(value: object) -> bytes:
    """Write a value that `read_json` gave as JSON without white space or line breaks."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        # Deeper than orjson writes, or an integer beyond 64 bits.
        raise TokenInvalid("format") from None


def _object(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("duplicate member")
    return found


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)
