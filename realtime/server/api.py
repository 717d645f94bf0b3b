"""The server API over HTTP (protocol 5): keys, bodies, error modes, batch, the legacy endpoint."""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from realtime.errors import BAD_REQUEST, INTERNAL, METHOD_NOT_FOUND, CommandRefused, Error
from realtime.hub.server_api import ServerApi
from realtime.protocol.calls import (
    BanCall,
    BroadcastCall,
    Call,
    ChannelsCall,
    DisconnectCall,
    HistoryCall,
    HistoryRemoveCall,
    InfoCall,
    PresenceCall,
    PresenceStatsCall,
    PublishCall,
    RefreshCall,
    RevokeCall,
    RpcCall,
    SubscribeCall,
    UnbanCall,
    UnsubscribeCall,
)
from realtime.server.bodies import ENCODED, is_encoded

logger = logging.getLogger(__name__)

BODY_MAX_BYTES: Final = 10 * 1024 * 1024
"""The largest request body."""

BODY_TIMEOUT_S: Final = 30.0
"""How long a body may take to arrive."""

BATCH_MAX: Final = 1000
"""Commands in one batch, or in one body of the legacy endpoint."""

ERROR_MODE_HEADER: Final = "X-Centrifugo-Error-Mode"

_STATUS: Final = {100: 500, 102: 404, 104: 404, 107: 400, 108: 400, 112: 416, 113: 409}
"""HTTP statuses of errors in transport mode (5.1)."""

_encode = msgspec.json.Encoder().encode

Operation = Callable[[Any], Awaitable[msgspec.Struct]]


class _BatchBody(msgspec.Struct):
    commands: list[dict[str, msgspec.Raw]] = []
    parallel: bool = False


class _LegacyCommand(msgspec.Struct):
    method: str = ""
    params: msgspec.Raw = msgspec.Raw()
    id: msgspec.Raw = msgspec.Raw()


class ApiKeys:
    """The accepted keys. `insecure` lets everyone in, for development on a loopback host."""

    def __init__(self, keys: Iterable[str], *, insecure: bool = False) -> None:
        self._insecure = insecure
        self.use(keys)

    def use(self, keys: Iterable[str]) -> None:
        """Accept these keys from now on."""
        self._keys = [key.encode() for key in keys]

    def accept(self, request: web.Request) -> bool:
        """Whether the request carries a key: in a header, as `Authorization`, or in the query."""
        if self._insecure:
            return True
        presented = request.headers.get("X-API-Key")
        if presented is None:
            scheme, _, value = request.headers.get("Authorization", "").partition(" ")
            presented = value.strip() if scheme.lower() == "apikey" else None
        if presented is None:
            presented = request.query.get("api_key")
        if not presented:
            return False
        # Every key is compared, in constant time: a refusal tells nothing about them.
        matches = [
            hmac.compare_digest(presented.encode("utf-8", "surrogateescape"), key)
            for key in self._keys
        ]
        return any(matches)


class ApiRoutes:
    """`POST /api/<method>`, `POST /api/batch` and the legacy `POST /api`."""

    def __init__(self, api: ServerApi, keys: ApiKeys) -> None:
        self._keys = keys
        self._errors = api.statistics.errors
        operations: Sequence[tuple[type[Call], Operation]] = (
            (PublishCall, api.publish),
            (BroadcastCall, api.broadcast),
            (SubscribeCall, api.subscribe),
            (UnsubscribeCall, api.unsubscribe),
            (DisconnectCall, api.disconnect),
            (RefreshCall, api.refresh),
            (PresenceCall, api.presence),
            (PresenceStatsCall, api.presence_stats),
            (HistoryCall, api.history),
            (HistoryRemoveCall, api.history_remove),
            (ChannelsCall, api.channels),
            (InfoCall, api.info),
            (RpcCall, api.rpc),
            (RevokeCall, api.revoke),
            (BanCall, api.ban),
            (UnbanCall, api.unban),
        )
        self._operations = {
            call.method: (msgspec.json.Decoder(call), operation) for call, operation in operations
        }
        self._batch = msgspec.json.Decoder(_BatchBody)
        self._legacy = msgspec.json.Decoder(_LegacyCommand)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the routes."""
        router.add_route("*", "/api", self.legacy)
        router.add_route("*", "/api/{method}", self.call)

    async def call(self, request: web.Request) -> web.Response:
        """One method, or a batch of them."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        body = await _read(request)
        method = request.match_info["method"]
        if method == "batch":
            return await self._perform_batch(body)
        if method not in self._operations:
            return _reply(self._error(METHOD_NOT_FOUND), 404)
        try:
            decoded = self._operations[method][0].decode(body or b"{}")
        except (msgspec.DecodeError, RecursionError) as error:
            if not isinstance(error, msgspec.ValidationError):
                return _malformed()
            return self._answer(request, BAD_REQUEST)
        try:
            result = await self._operations[method][1](decoded)
        except CommandRefused as refused:
            return self._answer(request, refused.error)
        return _reply(b'{"result":%b}' % _encode(result))

    async def legacy(self, request: web.Request) -> web.Response:
        """Commands separated by newlines, answered line by line (5.3)."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        lines = [line for line in (await _read(request)).split(b"\n") if line.strip()]
        if not lines or len(lines) > BATCH_MAX:
            return _malformed()
        try:
            commands = [self._legacy.decode(line) for line in lines]
        except (msgspec.MsgspecError, RecursionError):
            return _malformed()
        replies = []
        for command in commands:
            result, error = await self._perform(command.method, bytes(command.params))
            echoed = b'"id":%b,' % bytes(command.id) if command.id else b""
            if error is not None:
                replies.append(b"{%b%b}" % (echoed, self._error(error)[1:-1]))
            else:
                replies.append(b'{%b"result":%b}' % (echoed, result))
        return _reply(b"\n".join(replies))

    async def _perform_batch(self, body: bytes) -> web.Response:
        try:
            batch = self._batch.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return _malformed()
        if len(batch.commands) > BATCH_MAX:
            return _malformed()
        if batch.parallel:
            replies = await asyncio.gather(*(self._reply_part(part) for part in batch.commands))
        else:
            replies = [await self._reply_part(part) for part in batch.commands]
        return _reply(b'{"replies":[%b]}' % b",".join(replies))

    async def _reply_part(self, part: dict[str, msgspec.Raw]) -> bytes:
        if len(part) != 1:
            return self._error(BAD_REQUEST)
        ((method, params),) = part.items()
        result, error = await self._perform(method, bytes(params))
        if error is not None:
            return self._error(error)
        return b'{"%b":%b}' % (method.encode(), result)

    async def _perform(self, method: str, params: bytes) -> tuple[bytes, Error | None]:
        """One command of a batch or a legacy body: its result, or its error."""
        found = self._operations.get(method)
        if found is None:
            return b"", METHOD_NOT_FOUND
        decoder, operation = found
        try:
            return _encode(await operation(decoder.decode(params or b"{}"))), None
        except (msgspec.MsgspecError, RecursionError):
            return b"", BAD_REQUEST
        except CommandRefused as refused:
            return b"", refused.error
        except Exception:
            logger.exception("server API: %s failed", method)
            return b"", INTERNAL

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.method != "POST":
            return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        if not self._keys.accept(request):
            return web.Response(
                status=HTTPStatus.UNAUTHORIZED, text="The server API needs a key: X-API-Key.\n"
            )
        return None

    def _answer(self, request: web.Request, error: Error) -> web.Response:
        """An application error: 200, unless the request asks for HTTP statuses (5.1)."""
        in_transport = request.headers.get(ERROR_MODE_HEADER, "").lower() == "transport"
        return _reply(self._error(error), _STATUS.get(error.code, 500) if in_transport else 200)

    def _error(self, error: Error) -> bytes:
        """The error as an answer, which is counted."""
        self._errors[error.code] += 1
        return _encode({"error": {"code": error.code, "message": error.message}})


async def _read(request: web.Request) -> bytes:
    """The body, as valid UTF-8. Raises the HTTP answer for one that is not, or is compressed."""
    if is_encoded(request):
        raise web.HTTPUnsupportedMediaType(text=f"{ENCODED.text}\n")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await request.read()
        if not body.isascii():
            body.decode()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except UnicodeDecodeError:
        raise web.HTTPBadRequest(text="The body must be JSON in UTF-8.\n") from None
    return body


def _reply(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


def _malformed() -> web.Response:
    return web.Response(
        status=HTTPStatus.BAD_REQUEST, text="The body must be a JSON document of the server API.\n"
    )
