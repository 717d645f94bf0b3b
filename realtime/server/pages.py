"""The development page: a chat to try the hub in, its tokens, and the guides. Loopback only."""

from collections.abc import Callable
from importlib import resources
from typing import Final

import msgspec
from aiohttp import web

from realtime.settings.hosts import is_loopback

USER_MAX: Final = 64
"""The longest name that may be picked."""

_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

_SECURITY: Final = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' "
    "data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class _TokenRequest(msgspec.Struct):
    user: str = ""


class PageRoutes:
    """`/`, its files, the guides, and `POST /dev/token`. `issue` makes a token for a user name."""

    def __init__(self, issue: Callable[[str], str]) -> None:
        self._issue = issue
        self._decoder = msgspec.json.Decoder(_TokenRequest)
        folder = resources.files("realtime.server") / "pages"
        self._files = {
            file.name: file.read_bytes()
            for file in folder.iterdir()
            if file.name[file.name.rfind(".") :] in _TYPES
        }
        guides = resources.files("realtime") / "guides"
        self._guides = {file.name: file.read_bytes() for file in guides.iterdir()}

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the routes."""
        router.add_get("/", self.index)
        router.add_get("/pages/{name}", self.file)
        router.add_get("/guides/{name}", self.guide)
        router.add_post("/dev/token", self.token)

    async def index(self, request: web.Request) -> web.Response:
        """The page."""
        return self._response("index.html")

    async def file(self, request: web.Request) -> web.Response:
        """A file of the page."""
        return self._response(request.match_info["name"])

    async def guide(self, request: web.Request) -> web.Response:
        """A guide for app developers, as text."""
        body = self._guides.get(request.match_info["name"])
        if body is None:
            raise web.HTTPNotFound
        return web.Response(
            body=body, content_type="text/plain", charset="utf-8", headers=_SECURITY
        )

    async def token(self, request: web.Request) -> web.Response:
        """A token for whoever asks: development only."""
        # A name that somebody else's site points here must not get tokens (DNS rebinding).
        if not is_loopback(request.url.host or ""):
            raise web.HTTPForbidden
        # A page of another site cannot send this type without being asked for permission first.
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        try:
            user = self._decoder.decode(await request.read()).user.strip()
        except msgspec.MsgspecError:
            raise web.HTTPBadRequest from None
        if not user or len(user) > USER_MAX:
            raise web.HTTPBadRequest(text=f"user: expected 1 to {USER_MAX} characters\n")
        return web.json_response({"token": self._issue(user)})

    def _response(self, name: str) -> web.Response:
        body = self._files.get(name)
        if body is None:
            raise web.HTTPNotFound
        content_type = _TYPES[name[name.rfind(".") :]]
        return web.Response(
            body=body, content_type=content_type, charset="utf-8", headers=_SECURITY
        )
