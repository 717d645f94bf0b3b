"""base64url without padding, as keys and JSON Web Tokens are written (RFC 7515, 2)."""

import base64
import binascii


def encode(raw: bytes) -> str:
    """Write bytes down."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Read them. Raises ValueError."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error
