"""Heads that are known to be good, up to their key: most clients of one app send the same one.

Parsing and judging a head costs more than anything else in a handshake, and when thousands of
phones come back in the same second their heads differ in `Sec-WebSocket-Key` alone. So a head that
was accepted is remembered without its key, and the next one like it needs only its key checked.
The verdict depends on nothing but the head and settings that never change, so none is ever stale.
"""

import binascii
from typing import Final

from realtime.websocket.handshake import Accept

HEADS_MAX: Final = 256
HEAD_MAX_BYTES: Final = 2048
"""Longer heads, with large cookies, are rarely sent twice; the memory stays below a megabyte."""

_KEY_LINE: Final = b"\r\nSec-WebSocket-Key: "
_KEY_CHARS: Final = 24


class FamiliarHeads:
    """A bounded memory of accepted heads. Not shared between listeners with other settings."""

    __slots__ = ("_accepted",)

    def __init__(self) -> None:
        self._accepted: dict[bytes, Accept] = {}

    def __len__(self) -> int:
        return len(self._accepted)

    def find(self, head: bytes) -> Accept | None:
        """The verdict on a head that is like an accepted one and has a valid key; else None."""
        start = head.find(_KEY_LINE) + len(_KEY_LINE)
        end = start + _KEY_CHARS
        known = self._accepted.get(head[:start] + head[end:])
        if known is None:
            return None
        key = head[start:end]
        try:
            if len(binascii.a2b_base64(key, strict_mode=True)) != 16:
                return None
        except ValueError:
            return None
        return Accept(
            key.decode("ascii"),
            known.subprotocol,
            known.frame_ping_pong,
            known.path,
            known.is_protobuf,
        )

    def learn(self, head: bytes, accept: Accept) -> None:
        """Remember a head that was judged just now."""
        line = _KEY_LINE + accept.key.encode("ascii")
        start = head.find(line + b"\r\n")
        if start < 0 or len(head) > HEAD_MAX_BYTES:
            return  # spelled or spaced in another way: judged in full each time
        if len(self._accepted) >= HEADS_MAX:
            self._accepted.clear()
        self._accepted[head[: start + len(_KEY_LINE)] + head[start + len(line) :]] = accept
