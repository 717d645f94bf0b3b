"""`POST /emulation`: what clients of streams say (protocol 7)."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from realtime.hub.emulation import Outcome
from realtime.hub.hub import Hub
from realtime.protocol.emulation import read_json, read_protobuf
from realtime.server.bodies import Refusal, is_protobuf, read_body
from realtime.server.cors import Cors
from realtime.server.door_rules import DoorRules
from realtime.server.gate import HTTP_CONNECTIONS_MAX
from realtime.server.stream_routes import not_allowed

PATH: Final = "/emulation"

ENVELOPE_MAX_BYTES: Final = 1024
"""What a body has around its payload."""

ESCAPING_MAX: Final = 3
"""How many times as long a payload may be within a JSON text; quotes take two bytes, and a letter
of two bytes takes six where it is escaped."""

ANSWERS: Final[Mapping[Outcome, Refusal]] = {
    "unknown": Refusal(HTTPStatus.NOT_FOUND, "There is no such session."),
    "malformed": Refusal(HTTPStatus.BAD_REQUEST, "The data must be JSON in UTF-8."),
    "too_long": Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The data is too long."),
    "busy": Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "This cannot be done now. Try again later."),
}
"""What is answered to a request that was not taken."""

MALFORMED: Final = Refusal(HTTPStatus.BAD_REQUEST, "The body must have session, node and data.")


KEPT_MAX: Final = HTTP_CONNECTIONS_MAX // 4
"""With more plain HTTP connections than this none is kept open for a client's next request.

Each client of a stream sends one with every pong; kept connections of a few thousands would fill
all the room that there is."""


class EmulationRoutes:
    """The route, if a transport that needs it is on. `http_connections` counts those that aiohttp
    has."""

    def __init__(self, hub: Hub, rules: DoorRules, http_connections: Callable[[], int]) -> None:
        self._hub = hub
        self._http_connections = http_connections
        self._cors = Cors(rules)
        self._is_on = bool(rules.transports & {"http_stream", "sse"})

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the route."""
        if self._is_on:
            router.add_route("*", PATH, self.emulate)

    async def emulate(self, request: web.Request) -> web.Response:
        """204 once the payload was performed like a message of the session's client."""
        if request.method == "OPTIONS":
            return self._cors.preflight(request)
        headers = self._cors.headers(request)
        if request.method != "POST":
            return not_allowed(("POST",), headers)
        try:
            outcome = await self._perform(request)
            if outcome != "taken":
                raise ANSWERS[outcome]
        except Refusal as refusal:
            self._hub.statistics.emulations[refusal.status] += 1
            return refusal.answer(headers)
        self._hub.statistics.emulations[HTTPStatus.NO_CONTENT] += 1
        answer = web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)
        if self._http_connections() > KEPT_MAX:
            answer.force_close()
        return answer

    async def _perform(self, request: web.Request) -> Outcome:
        limit = self._hub.settings.client.message_max_bytes
        body = await read_body(request, limit * ESCAPING_MAX + ENVELOPE_MAX_BYTES)
        try:
            asked = read_protobuf(body) if is_protobuf(request) else read_json(body)
        except ValueError:
            raise MALFORMED from None
        if len(asked.data) > limit:
            return "too_long"
        return await self._hub.emulation.perform(asked.node, asked.session, asked.data)
