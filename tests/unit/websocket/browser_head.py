"""Request heads for the tests of the opening handshake."""

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The example of RFC 6455, 1.3."""

BROWSER = (
    ("Host", "chat.example.com"),
    ("Connection", "Upgrade"),
    ("Pragma", "no-cache"),
    ("Cache-Control", "no-cache"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/140.0.0.0 Safari/537.36",
    ),
    ("Upgrade", "websocket"),
    ("Origin", "https://chat.example.com"),
    ("Sec-WebSocket-Version", "13"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9"),
    ("Cookie", "session=0123456789abcdef; theme=dark"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
)
"""What a browser sends, in its order."""


def head_of(*headers: tuple[str, str], line: str = "GET /connection/websocket HTTP/1.1") -> bytes:
    """A head with exactly these headers."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{line}\r\n{fields}\r\n".encode("latin-1")


def browser_head(
    *more: tuple[str, str],
    without: tuple[str, ...] = (),
    line: str = "GET /connection/websocket HTTP/1.1",
) -> bytes:
    """A browser's head, `without` the headers named in lower case, and with `more`."""
    kept = [field for field in BROWSER if field[0].lower() not in without]
    return head_of(*kept, *more, line=line)
