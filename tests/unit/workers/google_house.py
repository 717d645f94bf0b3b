"""Google's token endpoint and FCM, on a port of their own: they answer as the test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.support.chat import ManualClock
from workers.providers.base import Notice, Target
from workers.providers.fcm import FcmProvider

TOKEN_URI: Final = "https://oauth2.example.com/token"
EMAIL: Final = "push@acme.iam.example.com"
KEY_ID: Final = "key-1"
ADDRESS: Final = "fcm-address-of-ada"

FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
QUOTA_FAILURE: Final = "type.googleapis.com/google.rpc.QuotaFailure"

Scripted = Callable[[], Awaitable[web.Response]]


@cache
def key_pair() -> tuple[str, str]:
    """The private and the public key of the account, in PEM."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )


def target(address: str = ADDRESS) -> Target:
    """Ada's phone."""
    return Target("fcm", "token", address)


def notice(**changes: Any) -> Notice:
    """Something to tell her."""
    fields: dict[str, Any] = {
        "act": "show",
        "id": "8a7f6d5e-0000-4000-8000-000000000001",
        "collapse": "0123456789abcdef0123456789abcdef",
        "title": "Bob",
        "body": "Lunch?",
        "badge": 3,
        "data": {"channel": "chat:1", "offset": "7"},
        "expires": 1_700_003_600,
    }
    return Notice(**{**fields, **changes})


def error(
    status: int, code: str = "", *, message: str = "", headers: Any = None, details: Any = ()
) -> Scripted:
    """An answer of FCM's that is no success; `code` is in its own detail."""
    listed = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
    body = {"error": {"code": status, "message": message, "details": [*listed, *details]}}
    return says(body, status, headers)


def says(body: Any, status: int = 200, headers: Any = None) -> Scripted:
    """An answer of JSON."""

    async def answer() -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return answer


class GoogleHouse:
    """Both services. What they are to say next is put in `answers` and `grants`; else all is well.

    Access tokens are `access-1`, `access-2`, and so on; those in `revoked` are refused.
    """

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sent: list[dict[str, Any]] = []
        self.bearers: list[str] = []
        self.assertions: list[str] = []
        self.answers: list[Scripted] = []
        self.grants: list[Scripted] = []
        self.revoked: set[str] = set()
        self.life_s: float = 3_600
        self.connections: set[Any] = set()
        self.at_once = 0
        self.at_once_max = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Semaphore(0)

    async def on_token(self, request: web.Request) -> web.Response:
        """The token endpoint: verifies the assertion."""
        form = await request.post()
        assertion = str(form["assertion"])
        self.assertions.append(assertion)
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        assert jwt.get_unverified_header(assertion)["kid"] == KEY_ID
        jwt.decode(
            assertion,
            key_pair()[1],
            algorithms=["RS256"],
            audience=TOKEN_URI,
            issuer=EMAIL,
            options={"verify_iat": False, "verify_exp": False},
        )
        self.waiting.release()
        await self.gate.wait()
        if self.grants:
            return await self.grants.pop(0)()
        token = f"access-{len(self.assertions)}"
        return web.json_response({"access_token": token, "expires_in": self.life_s})

    async def on_send(self, request: web.Request) -> web.Response:
        """FCM."""
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            bearer = request.headers["Authorization"].removeprefix("Bearer ")
            self.bearers.append(bearer)
            self.connections.add(request.transport)
            body = json.loads(await request.read())
            self.sent.append(body["message"])
            self.waiting.release()
            await self.gate.wait()
            if bearer in self.revoked:
                refusal = {"error": {"code": 401, "status": "UNAUTHENTICATED"}}
                return web.json_response(refusal, status=401)
            if self.answers:
                return await self.answers.pop(0)()
            return web.json_response({"name": f"projects/acme/messages/{len(self.sent)}"})
        finally:
            self.at_once -= 1


@asynccontextmanager
async def google_house(**arguments: Any) -> AsyncIterator[tuple[GoogleHouse, FcmProvider]]:
    """The services and a provider that uses them; both are ended."""
    house = GoogleHouse()
    application = web.Application()
    application.router.add_post("/token", house.on_token)
    application.router.add_post("/v1/projects/acme/messages:send", house.on_send)
    async with TestServer(application, host="127.0.0.1") as server:
        provider = FcmProvider(
            **{
                "project": "acme",
                "client_email": EMAIL,
                "private_key": key_pair()[0],
                "key_id": KEY_ID,
                "token_uri": TOKEN_URI,
                "base_url": str(server.make_url("/")),
                "token_url": str(server.make_url("/token")),
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
