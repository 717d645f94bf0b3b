"""REST: the operations of chat and feeds under `/api/v1`, with bearer tokens."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from realtime.chat.caller import Caller
from realtime.chat.openapi import PREFIX, STATUS, Problem, document
from realtime.chat.refusals import invalid
from realtime.chat.rpc import Call, Calls
from realtime.errors import (
    BAD_REQUEST,
    INTERNAL,
    METHOD_NOT_FOUND,
    TOO_LARGE,
    CallRefused,
    CommandRefused,
    Error,
    StoreError,
)
from realtime.server.bodies import Refusal, read_body
from realtime.server.cors import Cors
from realtime.server.door_rules import DoorRules
from realtime.server.reference import reference_page

CALLS_MAX: Final = 512
"""Calls at once; one more is told to come back: each may wait for the store."""

RETRY_S: Final = 1
"""After how many seconds to come back where the answer to a call is not known."""

WRITE_TIMEOUT_S: Final = 30.0
"""How long whoever is streamed to may take for the next line."""

NDJSON: Final = "application/x-ndjson"

IDEMPOTENCY_KEY: Final = "Idempotency-Key"

logger = logging.getLogger(__name__)

_METHODS: Final = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
_PAGE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors"
    " 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_encode: Final = msgspec.json.Encoder().encode


class RestRoutes:
    """One route an operation, the OpenAPI document, and a page to read it.

    `bearer` answers who bears a token. `body_max_bytes` bounds a request's body.
    """

    def __init__(
        self,
        calls: Calls,
        bearer: Callable[[str], Awaitable[Caller]],
        rules: DoorRules,
        *,
        body_max_bytes: int,
        version: str,
        errors: Callable[[int], None],
    ) -> None:
        self._calls = calls
        self._bearer = bearer
        self._cors = Cors(rules)
        self._body_max_bytes = body_max_bytes
        self._errors = errors
        self._under_way = 0
        operations = [call.operation for call in calls.by_name.values()]
        described = document(operations, version=version)
        self._document = _encode(described)
        self._page = reference_page(described)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the routes."""
        router.add_get(f"{PREFIX}/openapi.json", self.openapi)
        router.add_get(f"{PREFIX}/docs", self.docs)
        # The first route that fits is taken. "{" sorts after letters, so what is written out in a
        # path comes before what may be anything: "…/timeline" before "…/{author}".
        for call in sorted(self._calls.by_name.values(), key=lambda call: call.operation.path):
            operation = call.operation
            # Whatever is not a slash: aiohttp's own pattern would stop at a brace.
            path = re.sub(r"{([a-z_]+)}", r"{\1:[^/]+}", operation.path)
            router.add_route(operation.method, PREFIX + path, self._handler(call))
        router.add_route("*", PREFIX + "/{path:.*}", self.elsewhere)

    async def openapi(self, request: web.Request) -> web.Response:
        """The document."""
        headers = self._cors.headers(request)
        return web.Response(body=self._document, content_type="application/json", headers=headers)

    async def docs(self, request: web.Request) -> web.Response:
        """The document as a page."""
        return web.Response(
            body=self._page, content_type="text/html", charset="utf-8", headers=_PAGE
        )

    async def elsewhere(self, request: web.Request) -> web.Response:
        """No operation has this method and path; OPTIONS asks what a page of another site may."""
        if request.method == "OPTIONS":
            answer = self._cors.preflight(request)
            answer.headers["Access-Control-Allow-Methods"] = _METHODS
            return answer
        return problem(CommandRefused(METHOD_NOT_FOUND), self._cors.headers(request))

    def _handler(self, call: Call) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            headers = self._cors.headers(request)
            try:
                if self._under_way >= CALLS_MAX:
                    raise CommandRefused(INTERNAL)
                self._under_way += 1
                try:
                    result = await self._perform(call, request)
                    if call.operation.streams:
                        return await _stream(request, result, headers)
                finally:
                    self._under_way -= 1
            except CommandRefused as refused:
                self._errors(refused.error.code)
                return problem(refused, headers)
            except Refusal as refusal:
                return problem(_of_body(refusal), headers, refusal.status)
            return web.Response(
                body=_encode(result),
                status=call.operation.status,
                content_type="application/json",
                headers={**headers, "Cache-Control": "no-store"},
            )

        return handle

    async def _perform(self, call: Call, request: web.Request) -> Any:
        caller = await self._bearer(_token(request))
        body = b""
        if request.can_read_body:
            body = await read_body(request, self._body_max_bytes)
        query: dict[str, str] = {}
        for name, text in request.query.items():
            if name in query:
                raise invalid(name if name in call.parameters.names else "")
            query[name] = text
        key = request.headers.get(IDEMPOTENCY_KEY, "")
        return await self._calls.perform(
            caller,
            call,
            lambda: call.parameters.read_parts(request.match_info, query, body, key),
        )


async def _stream(
    request: web.Request, lines: AsyncIterator[bytes], headers: Mapping[str, str]
) -> web.StreamResponse:
    """Lines of JSON, as fast as they are read. Where the store fails midway the answer breaks off,
    so that nobody takes a part for the whole. Raises CommandRefused (100) where it does at once.
    """
    try:
        line = await anext(lines, b"")
    except StoreError:
        raise CommandRefused(INTERNAL) from None
    response = web.StreamResponse(
        headers={**headers, "Content-Type": NDJSON, "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    try:
        while line:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await response.write(line)
            line = await anext(lines, b"")
    except (StoreError, TimeoutError) as error:
        logger.warning("an answer breaks off: %s", error)
        transport = request.transport
        if transport is not None and isinstance(error, StoreError):
            transport.close()
        elif transport is not None:
            transport.abort()  # what was not taken in until now never will be
        return response
    await response.write_eof()
    return response


def _of_body(refusal: Refusal) -> CommandRefused:
    is_long = refusal.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return CommandRefused(TOO_LARGE if is_long else BAD_REQUEST)


def problem(
    refused: CommandRefused, headers: Mapping[str, str], status: HTTPStatus | None = None
) -> web.Response:
    """The refusal as a problem document (RFC 9457), with the wire's code.

    `status`, where HTTP can say more than that.
    """
    error: Error = refused.error
    status = status or HTTPStatus(STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR))
    said = refused if isinstance(refused, CallRefused) else CallRefused(error)
    retry_after = said.retry_after_s or (RETRY_S if error.temporary else 0)
    body = Problem(
        type=f"{PREFIX}/docs#{error.code}",
        title=said.title,
        status=status.value,
        code=error.code,
        temporary=error.temporary,
        why=said.why,
        field=said.field,
        retry_after=retry_after,
    )
    told = {"Retry-After": str(retry_after)} if retry_after else {}
    if status == HTTPStatus.UNAUTHORIZED:
        told["WWW-Authenticate"] = "Bearer"
    return web.Response(
        body=_encode(body),
        status=status.value,
        content_type="application/problem+json",
        headers={**headers, **told, "Cache-Control": "no-store"},
    )


def _token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
