"""A push service that only counts: FCM's HTTP v1 send endpoint and OAuth's token endpoint.

It takes what a hub sends that believes it to be Google. Access tokens are given for any assertion
that says what one has to say; who has signed it is not looked at, for there is nothing to protect.
"""

import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import jwt
import orjson
from aiohttp import web

from load.push_ledger import Notification
from load.push_settings import TOKEN_PATH

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"

TOKEN_LIFE_S: Final = 3_600
"""How long an access token is good, in seconds."""

TOKENS_MAX: Final = 1_000
"""Access tokens that are good at once; the oldest makes room."""

CLOSE_S: Final = 2.0
"""How long requests that are under way may take at the end, in seconds."""

_SEND_START: Final = "/v1/projects/"
_SEND_END: Final = "/messages:send"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"


class PushService:
    """`open` it; `take` is told of each notification, and when the request for it came (ns of the
    monotonic clock)."""

    def __init__(self, take: Callable[[Notification, int], None]) -> None:
        self._take = take
        self._tokens: deque[str] = deque(maxlen=TOKENS_MAX)
        self._sent = 0
        self._runner: web.ServerRunner | None = None
        self.port = 0
        """Where it listens, once it is open."""

    async def open(self, host: str, port: int) -> None:
        """Listen; port 0 is any free one. Raises OSError."""
        server = web.Server(self._answer, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=CLOSE_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self.close()
            raise
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Hang up; fine where it is not open."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        at_ns = time.monotonic_ns()
        path = request.path
        if request.method != "POST":
            return _refusal(404, "NOT_FOUND", "no such method")
        if path == TOKEN_PATH:
            return self._give_token(await request.post())
        if path.startswith(_SEND_START) and path.endswith(_SEND_END):
            project = path[len(_SEND_START) : -len(_SEND_END)]
            return self._send(request.headers, await request.read(), project, at_ns)
        return _refusal(404, "NOT_FOUND", "no such path")

    def _give_token(self, form: Any) -> web.Response:
        if form.get("grant_type") != GRANT_TYPE:
            return _oauth_refusal("unsupported_grant_type", "Invalid grant_type")
        try:
            claims = jwt.decode(str(form.get("assertion")), options={"verify_signature": False})
        except jwt.PyJWTError:
            return _oauth_refusal("invalid_grant", "Bad Request")
        if SCOPE not in str(claims.get("scope", "")).split():
            return _oauth_refusal("invalid_scope", "Invalid OAuth scope")
        token = f"load.{secrets.token_urlsafe(32)}"
        self._tokens.append(token)
        given = {"access_token": token, "expires_in": TOKEN_LIFE_S, "token_type": "Bearer"}
        return _json(200, given)

    def _send(self, headers: Any, body: bytes, project: str, at_ns: int) -> web.Response:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            return _refusal(401, "UNAUTHENTICATED", "the access token is none of this service")
        notification = read_notification(body)
        if notification is None:
            field = {"field": "message", "description": "a message with one token is expected"}
            details = [{"@type": _BAD_REQUEST, "fieldViolations": [field]}]
            return _refusal(400, "INVALID_ARGUMENT", "Request contains an error", details)
        self._take(notification, at_ns)
        self._sent += 1
        return _json(200, {"name": f"projects/{project}/messages/{self._sent}"})


def read_notification(body: bytes) -> Notification | None:
    """What a request of FCM's HTTP v1 API asks for; None for what is no such request."""
    try:
        message = orjson.loads(body)["message"]
        address = message.get("token") or message["fid"]
        shown = message.get("notification")
        text = shown.get("body", "") if shown is not None else ""
        act = message.get("data", {}).get("act", "")
        # Data alone shows nothing; but a hub may say in it what an app is to show.
        return Notification(str(address), str(text), clears=shown is None and act == "clear")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None


def _refusal(
    status: int, word: str, message: str, details: list[dict[str, Any]] | None = None
) -> web.Response:
    error: dict[str, Any] = {"code": status, "message": message, "status": word}
    if details is not None:
        error["details"] = details
    return _json(status, {"error": error})


def _oauth_refusal(code: str, description: str) -> web.Response:
    return _json(400, {"error": code, "error_description": description})


def _json(status: int, told: object) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(told), content_type="application/json")
