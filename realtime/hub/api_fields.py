"""Fields that several requests of the server API share (protocol 5.2)."""

import base64
from typing import Final

import msgspec

from realtime.errors import BAD_REQUEST, CommandRefused
from realtime.protocol.json_codec import compact, read_payload

KEY_MAX: Final = 255
"""The longest idempotency key, user id, token id or pattern, in characters."""


def require(value: str) -> None:
    """Refuse (107) a request without a field that it must have."""
    if not value:
        raise CommandRefused(BAD_REQUEST)


def either(data: msgspec.Raw, b64data: str, *, is_json: bool = True) -> bytes:
    """The field or its base64 twin, which for JSON clients must hold JSON too; b"" for neither.

    JSON comes without the line breaks that receivers could not take (1.1). Raises CommandRefused.
    """
    if not b64data:
        given = b"" if bytes(data) == b"null" else bytes(data)
        return compact(given) if is_json else given
    try:
        decoded = base64.b64decode(b64data, validate=True)
    except ValueError:  # binascii.Error is one
        raise CommandRefused(BAD_REQUEST) from None
    return read_payload(decoded) if is_json else decoded
