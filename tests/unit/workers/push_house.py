"""A push service and a browser behind it, on a port of its own: it answers as the test says."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.chat import ManualClock
from workers.providers.aes128gcm import from_base64url, to_base64url
from workers.providers.base import Target
from workers.providers.endpoint_guard import EndpointGuard
from workers.providers.webpush import WebPushProvider

PRIVATE_KEY: Final = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SUBJECT: Final = "mailto:push@example.com"

Scripted = Callable[[], Awaitable[web.Response]]


def status(code: int, body: str = "", **headers: str) -> Scripted:
    """An answer; `Retry_After` is the header Retry-After."""

    async def answer() -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, text=body, headers=named)

    return answer


class Browser:
    """Has the keys of a subscription, and opens what was encrypted for it."""

    def __init__(self) -> None:
        self._key = generate_private_key(SECP256R1())
        self._point = self._key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        self._auth = b"sixteen bytes ok"
        self.p256dh = to_base64url(self._point)
        self.auth = to_base64url(self._auth)

    def opened(self, body: bytes) -> bytes:
        """The text; written from the RFC for the other end."""
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        assert size >= len(sealed), "one record"
        public = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), sender)
        secret = self._key.exchange(ECDH(), public)
        info = b"WebPush: info\0" + self._point + sender
        material = HKDF(SHA256(), 32, self._auth, info).derive(secret)
        key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(material)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(material)
        text = AESGCM(key).decrypt(nonce, sealed, None)
        assert text.endswith(b"\x02")
        return text[:-1]


class PushHouse:
    """The service. What it says next is put in `answers`; else it takes everything with 201."""

    def __init__(self) -> None:
        self.browser = Browser()
        self.clock = ManualClock()
        self.origin = ""
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.answers: list[Scripted] = []
        self.connections: set[Any] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Semaphore(0)

    @property
    def told(self) -> list[dict[str, Any]]:
        """What the browser got to read."""
        return [json.loads(self.browser.opened(body)) for body in self.bodies]

    def target(self, path: str = "/push/ada", *, origin: str = "", p256dh: str = "") -> Target:
        """A subscription of the browser."""
        address = f"{origin or self.origin}{path}"
        keys = p256dh or self.browser.p256dh, self.browser.auth
        return Target("webpush", "subscription", address, *keys)

    async def on_push(self, request: web.Request) -> web.Response:
        """Take a message: verifies who sends."""
        self.paths.append(request.raw_path)
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.read())
        self.connections.add(request.transport)
        scheme, _, words = request.headers["Authorization"].partition(" ")
        token, key = (word.strip().partition("=")[2] for word in words.split(","))
        assert scheme == "vapid"
        public = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), from_base64url(key))
        options: Any = {"verify_exp": False}
        claims = jwt.decode(
            token, public, algorithms=["ES256"], audience=self.origin, options=options
        )
        assert claims["sub"] == SUBJECT
        assert 0 < claims["exp"] - self.clock.monotonic() <= 86_400
        self.waiting.release()
        await self.gate.wait()
        return await (self.answers.pop(0) if self.answers else status(201, Location="/m/1"))()


async def loopback(host: str, port: int) -> Sequence[str]:
    """Every name is this machine."""
    return ["127.0.0.1"]


@asynccontextmanager
async def push_house(
    *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, **arguments: Any
) -> AsyncIterator[tuple[PushHouse, WebPushProvider]]:
    """The service, under a name of its own, and a provider that may use it; both are ended.

    With `tls` the service has a certificate, which the provider does not know.
    """
    house = PushHouse()
    application = web.Application()
    application.router.add_post("/{path:.*}", house.on_push)
    server = TestServer(application, host="127.0.0.1")
    await server.start_server(ssl=tls)
    async with server:
        house.origin = f"{'https' if tls else 'http'}://{host}:{server.port}"
        guard = EndpointGuard(own=[house.origin], allow_http=True, resolve=loopback)
        provider = WebPushProvider(
            **{
                "private_key": PRIVATE_KEY,
                "subject": SUBJECT,
                "guard": guard,
                "wall": house.clock.monotonic,
                "monotonic": house.clock.monotonic,
                **arguments,
            }
        )
        try:
            yield house, provider
        finally:
            house.gate.set()
            await provider.close()
