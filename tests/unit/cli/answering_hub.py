"""A server in place of a hub, that remembers what it was asked."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer


@dataclass
class Hub:
    """Answers every request the same way, once there are no more of `answers`."""

    port: int = 0
    status: int = 200
    answer: bytes = b'{"result":{}}'
    answers: list[bytes] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None, object]] = field(default_factory=list)


@contextlib.contextmanager
def answering_hub() -> Iterator[Hub]:
    """A hub on loopback."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_GET(self) -> None:
            self.answer(None)

        def answer(self, body: object) -> None:
            hub.asked.append((self.path, self.headers["X-API-Key"], body))
            self.send_response(hub.status)
            for name, value in hub.headers.items():
                self.send_header(name, value)
            answer = hub.answers.pop(0) if hub.answers else hub.answer
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(HTTPServer):
        def get_request(self) -> tuple[socket.socket, object]:
            connection, address = super().get_request()
            connection.settimeout(10)
            if hub.tls is not None:
                connection = hub.tls.wrap_socket(connection, server_side=True)
            return connection, address

    server = Server(("127.0.0.1", 0), Handler)
    hub.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
