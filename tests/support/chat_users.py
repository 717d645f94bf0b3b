"""Users of chat as a hub's clients know it: by an SDK, by the wire, or by REST with curl's habits.

Whichever way, `call` performs an operation by its name and answers its result, and raises Refusal
with all that was said of why not.
"""

import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

import aiohttp

from realtime.chat.operations import Operation
from realtime.chat.table import ALL
from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.processes import HubProcess
from tests.support.sdk import SdkClient, SdkError
from tests.support.tokens import connection_token

_MEMBER: Final = ["member"]
_USER: Final = ["user"]

NAMESPACES: Final[Mapping[str, Mapping[str, Any]]] = {
    "room": {
        "history_size": -1,
        "presence": True,
        "chat": "room",
        "create": _USER,
        "subscribe": _MEMBER,
        "publish": _MEMBER,
        "read_history": _MEMBER,
        "read_presence": _MEMBER,
    },
    "feed": {
        "history_size": -1,
        "chat": "feed",
        "create": _USER,
        "subscribe": _USER,
        "read_history": _USER,
    },
}

UNLIMITED: Final[Mapping[str, float]] = {
    f"{kind}_per_s": 0.0 for kind in ("sends", "edits", "typing", "creates", "invites", "reads")
}
"""Settings of `chat`: nobody is told to go slower."""

CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {"namespaces": NAMESPACES, "chat": UNLIMITED}
"""Settings of a hub with rooms and feeds."""

OPERATIONS: Final[Mapping[str, Operation]] = {operation.name: operation for operation in ALL}

PREFIX: Final = "/api/v1"

_TIMEOUT: Final = aiohttp.ClientTimeout(total=20)
_SAYS: Final = ("why", "field", "retry_after")
_SAID: Final = re.compile(r"; (why|field|retry_after)=([\w.\[\]]+)")


class Refusal(Exception):
    """A call was refused: the wire's code, and what else was said."""

    def __init__(self, code: int, why: str = "", field: str = "", retry_after: int = 0) -> None:
        super().__init__(code, why, field, retry_after)
        self.code = code
        self.why = why
        self.field = field
        self.retry_after = retry_after


class User(Protocol):
    """Somebody who can call operations, whichever way."""

    name: str

    async def call(self, method: str, /, **params: Any) -> Any:
        """Perform an operation; its result. Raises Refusal."""
        ...


async def refusal(user: User, method: str, /, **params: Any) -> Refusal:
    """Why a call is refused; fails where it is not."""
    try:
        answer = await user.call(method, **params)
    except Refusal as refused:
        return refused
    raise AssertionError(f"{method} was answered: {answer}")


def personal(name: str) -> str:
    """A user's personal channel."""
    return f"#{name}"


def refused_with(code: int, message: str) -> Refusal:
    """What an error of the wire says (`realtime.errors.CallRefused`)."""
    said = dict(_SAID.findall(message))
    return Refusal(
        code, said.get("why", ""), said.get("field", ""), int(said.get("retry_after", 0))
    )


@dataclass(slots=True)
class SdkUser:
    """A user with an SDK."""

    name: str
    sdk: SdkClient

    async def call(self, method: str, /, **params: Any) -> Any:
        """See User."""
        try:
            return await self.sdk.rpc(method, params)
        except SdkError as error:
            raise refused_with(error.code, error.args[1]) from error


@dataclass(slots=True)
class SocketUser:
    """A user with a websocket of the JSON wire, who is connected."""

    name: str
    client: AttentiveClient

    async def call(self, method: str, /, **params: Any) -> Any:
        """See User."""
        reply = await self.client.command("rpc", method=method, data=params)
        if "error" in reply:
            raise refused_with(reply["error"]["code"], reply["error"]["message"])
        return reply["rpc"]["data"]

    def hints(self, kind: str) -> list[dict[str, Any]]:
        """What the personal channel has said of that kind so far."""
        told = [told.body["data"] for told in self.client.pushes("pub", personal(self.name))]
        return [hint for hint in told if hint["type"] == kind]


@contextlib.asynccontextmanager
async def socket_user(url: str, name: str, **claims: Any) -> AsyncIterator[SocketUser]:
    """Somebody who is connected to a hub for as long as the block lasts."""
    async with open_client(url) as client:
        reply = await client.connect(connection_token(name, **claims))
        assert "connect" in reply, reply
        yield SocketUser(name, client)


class HttpAnswer(Exception):
    """An answer over HTTP that is neither a result nor a problem document."""


@dataclass(slots=True)
class RestUser:
    """A user with a bearer token. `keys`: `client_id` goes as Idempotency-Key."""

    name: str
    hub: HubProcess
    session: aiohttp.ClientSession
    token: str
    keys: bool = True

    async def call(self, method: str, /, **params: Any) -> Any:
        """See User."""
        status, headers, body = await self.request(method, **params)
        if headers["Content-Type"].startswith("application/problem+json"):
            problem = json.loads(body)
            assert problem["status"] == status
            said = {
                name: problem[name] for name in ("why", "field", "retry_after") if name in problem
            }
            raise Refusal(problem["code"], **said)
        if status != 200:
            raise HttpAnswer(status, body)
        return json.loads(body)

    async def request(self, method: str, /, **params: Any) -> tuple[int, Mapping[str, str], bytes]:
        """The status, headers and body that an operation is answered with."""
        verb, path, query, body = parts(OPERATIONS[method], params)
        headers = {"Authorization": f"Bearer {self.token}"}
        if self.keys and "client_id" in (query | body):
            headers["Idempotency-Key"] = query.pop("client_id", "") or body.pop("client_id")
        async with self.session.request(
            verb,
            f"{self.hub.url}{path}",
            params=query,
            json=body or None,
            headers=headers,
        ) as response:
            return response.status, response.headers, await response.read()


def parts(
    operation: Operation, params: Mapping[str, Any]
) -> tuple[str, str, dict[str, str], dict[str, Any]]:
    """Where parameters go over HTTP: method, path, query, and JSON body."""
    rest = dict(params)
    path = operation.path
    for name in re.findall(r"{([a-z_]+)}", path):
        path = path.replace(f"{{{name}}}", quote(str(rest.pop(name)), safe=""))
    if operation.method in ("GET", "DELETE"):
        return operation.method, PREFIX + path, {k: _text(v) for k, v in rest.items()}, {}
    return operation.method, PREFIX + path, {}, rest


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(value)
    return str(value)


@contextlib.asynccontextmanager
async def rest_session() -> AsyncIterator[aiohttp.ClientSession]:
    """What users over REST share."""
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        yield session


def rest_user(
    hub: HubProcess, session: aiohttp.ClientSession, name: str, *, keys: bool = True, **claims: Any
) -> RestUser:
    """Somebody with a token that is good for an hour."""
    return RestUser(name, hub, session, connection_token(name, **claims), keys)
