"""What browsers need to be told before a page of another site may read an answer (Fetch, 3.2)."""

import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from realtime.server.door_rules import DoorRules
from realtime.websocket.origins import origin_allowed

MAX_AGE_S: Final = 600
"""How long a browser remembers what it may send. Chromium takes no more than two hours."""

_METHODS: Final = "GET, POST, OPTIONS"
_VARY: Final = {"Vary": "Origin"}

_OTHER_SITES: Final = frozenset({"cross-site", "same-site"})
"""What browsers call others in Sec-Fetch-Site; `same-site` is another host of the same domain."""

_HEADER_NAMES: Final = re.compile(r"[-_0-9A-Za-z]+(?: ?, ?[-_0-9A-Za-z]+)*")
_HEADER_NAMES_MAX: Final = 512


class Cors:
    """The origin rules of websockets, for answers that a page reads."""

    def __init__(self, rules: DoorRules) -> None:
        self._rules = rules

    def headers(self, request: web.Request) -> Mapping[str, str]:
        """The headers of every answer to this request, errors included.

        Raises the answer 403 for an origin that may not connect, 400 for more than one.
        """
        origins = request.headers.getall("Origin", [])
        if not origins:
            if self._is_foreign(request):
                raise web.HTTPForbidden(text="This origin may not connect.\n", headers=_VARY)
            return _VARY
        if len(origins) > 1:
            raise web.HTTPBadRequest(text="The Origin header came more than once.\n")
        origin = origins[0]
        if not origin_allowed(origin, request.headers.get("Host", ""), self._rules.origins(origin)):
            raise web.HTTPForbidden(text="This origin may not connect.\n", headers=_VARY)
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            **_VARY,
        }

    def _is_foreign(self, request: web.Request) -> bool:
        """Whether a page of another site makes a browser ask, without wanting to read the answer.

        An image's GET, say: its address is enough to connect and to publish, and it has no Origin.
        Programs send no such header, nor do browsers where the hub is reached over bare HTTP.
        """
        site = request.headers.get("Sec-Fetch-Site", "").strip().lower()
        return site in _OTHER_SITES and "*" not in self._rules.origins("")

    def preflight(self, request: web.Request) -> web.Response:
        """The answer to OPTIONS: whatever headers a page wants to send, it may. Raises as above."""
        headers = dict(self.headers(request))
        headers["Access-Control-Allow-Methods"] = _METHODS
        headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
        headers["Vary"] = "Origin, Access-Control-Request-Headers"
        wanted = request.headers.get("Access-Control-Request-Headers", "")
        if len(wanted) <= _HEADER_NAMES_MAX and _HEADER_NAMES.fullmatch(wanted):
            headers["Access-Control-Allow-Headers"] = wanted
        return web.Response(status=204, headers=headers)
