"""The head of an HTTP/1.1 request: cut from the stream, then parsed (RFC 9112, 2 to 5).

Strict: lines end with CRLF, no line folding, no space before a colon, no control characters. Any
request is cut here, since the first head on a connection decides who serves it; only an upgrade to
a websocket is also parsed here.
"""

import re
from typing import Final

import msgspec

from realtime.websocket.responses import Refuse

HEAD_MAX_BYTES: Final = 16384
"""A whole head, as in Node. Nobody has proven who they are yet, so it must not be generous."""

LINE_MAX_BYTES: Final = 8192
"""The request line, and each header's line, with its CRLF. The commonest limit of HTTP servers."""

HEADERS_MAX: Final = 128
"""How many headers, as in `websockets`; a browser sends 15 to 20."""

TARGET_TOO_LONG: Final = Refuse(414, "The request line is too long.")
HEADERS_TOO_LARGE: Final = Refuse(431, "The request's headers are too large or too many.")
MALFORMED: Final = Refuse(400, "This is not a well-formed HTTP/1.1 request.")
UNSUPPORTED_TARGET: Final = Refuse(400, "The request target must be a path or an http URI.")

_TOKEN: Final = r"[-!#$%&'*+.^_`|~0-9A-Za-z]+"  # noqa: S105 - a grammar's token, not a secret
_REQUEST_LINE: Final = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/([0-9]\.[0-9])\r\n")
# What follows a repeat is never in the repeat's own class, so matching takes linear time.
_HEADER_LINES: Final = re.compile(rf"(?:{_TOKEN}:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")
_ABSOLUTE_FORM: Final = re.compile(r"(?i:https?)://[^/?#@]+")
_NONE_REPEATED: Final[dict[str, list[str]]] = {}


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """A parsed head.

    `path` begins with "/" and is not percent-decoded; `query` comes without the "?". `version` is
    two digits with a dot between. `headers` has lower-case names, and values without outer spaces,
    decoded as Latin-1; of one that came more than once the first value, and `repeated` has all.
    """

    method: str
    target: str
    path: str
    query: str
    version: str
    headers: dict[str, str]
    repeated: dict[str, list[str]]

    def values(self, name: str) -> list[str]:
        """All values of the header with this lower-case name, in order."""
        if name in self.repeated:
            return self.repeated[name]
        return [self.headers[name]] if name in self.headers else []


class HeadReader:
    """Cuts the first request head from what arrives in pieces, then is of no more use.

    Holds at most `HEAD_MAX_BYTES` and one piece. Nobody measures time here: the caller closes
    a connection whose head takes too long.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer: bytearray | None = None

    def feed(self, data: bytes) -> tuple[bytes, bytes] | Refuse | None:
        """The head with its final empty line, and what came after it; None until it is whole.

        A client may send frames right behind the head of an upgrade, so the rest matters. Head
        and rest together are what arrived, byte for byte. Not to be fed after an answer.
        """
        if self._buffer is None:
            end = data.find(b"\r\n\r\n") + 4
            if 3 < end <= HEAD_MAX_BYTES:
                return data[:end], data[end:]
            self._buffer = bytearray()
        buffer = self._buffer
        unread = max(0, len(buffer) - 3)
        buffer += data
        end = buffer.find(b"\r\n\r\n", unread) + 4
        if 3 < end <= HEAD_MAX_BYTES:
            return bytes(buffer[:end]), bytes(buffer[end:])
        unfinished = len(buffer) - buffer.rfind(b"\n")
        if len(buffer) >= HEAD_MAX_BYTES or unfinished > LINE_MAX_BYTES:
            is_first_whole = 0 <= buffer.find(b"\n") < LINE_MAX_BYTES
            return HEADERS_TOO_LARGE if is_first_whole else TARGET_TOO_LONG
        # Lines without a CR would make us wait for an end that never comes.
        return MALFORMED if b"\n\n" in buffer[unread:] else None


def is_upgrade(head: bytes) -> bool:
    """Whether a head asks for a websocket, well-formed or not; anything else is plain HTTP.

    Cheaper than parsing, for the sake of the plain requests.
    """
    lowered = head.lower()
    start = lowered.find(b"\nupgrade:")
    while start >= 0:
        end = lowered.find(b"\n", start + 1)
        if lowered.find(b"websocket", start, end) >= 0:
            return True
        start = lowered.find(b"\nupgrade:", end)
    return False


def parse_head(head: bytes) -> RequestHead | Refuse:
    """Parse a head that ends with its empty line, as `HeadReader` cuts it."""
    if len(head) > LINE_MAX_BYTES:
        sizes = [len(line) + 2 for line in head.split(b"\r\n")]
        if sizes[0] > LINE_MAX_BYTES:
            return TARGET_TOO_LONG
        if len(head) > HEAD_MAX_BYTES or max(sizes) > LINE_MAX_BYTES:
            return HEADERS_TOO_LARGE
    # Latin-1 never fails and keeps every byte apart (RFC 9110, 5.5).
    text = head.decode("latin-1")
    line = _REQUEST_LINE.match(text)
    if line is None or _HEADER_LINES.fullmatch(text, line.end()) is None:
        return MALFORMED
    method, target, version = line.groups()
    lines = text[line.end() : -4].split("\r\n") if len(text) > line.end() + 2 else []
    if len(lines) > HEADERS_MAX:
        return HEADERS_TOO_LARGE
    fields = [field.partition(":") for field in lines]
    headers = {name.lower(): value.strip(" \t") for name, _, value in fields}
    repeated = _NONE_REPEATED
    if len(headers) < len(fields):
        headers, repeated = _gather(fields)
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        found = _ABSOLUTE_FORM.match(path)
        if found is None:
            return UNSUPPORTED_TARGET
        path = path[found.end() :] or "/"
    return RequestHead(method, target, path, query, version, headers, repeated)


def _gather(fields: list[tuple[str, str, str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    every: dict[str, list[str]] = {}
    for name, _, value in fields:
        every.setdefault(name.lower(), []).append(value.strip(" \t"))
    headers = {name: values[0] for name, values in every.items()}
    return headers, {name: values for name, values in every.items() if len(values) > 1}
