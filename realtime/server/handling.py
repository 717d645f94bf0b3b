"""aiohttp's server as we run it: what it says by itself names nobody and repeats nothing."""

from typing import Any, Final

from aiohttp import web

_TEXTS: Final = {400: "The request is not well-formed.\n"}
_DEFECT: Final = "There was an internal error.\n"


class Runner(web.AppRunner):
    """Runs an application; `arguments` are those of aiohttp's request handlers."""

    __slots__ = ("_arguments",)

    def __init__(
        self, application: web.Application, *, shutdown_timeout: float, **arguments: Any
    ) -> None:
        super().__init__(application, shutdown_timeout=shutdown_timeout, handle_signals=False)
        self._arguments = arguments

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, made.request_factory, self._arguments)


class _Server(web.Server):
    """Makes handlers of our own."""

    def __init__(self, handler: Any, request_factory: Any, arguments: dict[str, Any]) -> None:
        super().__init__(handler, request_factory=request_factory)
        self._arguments = arguments

    def __call__(self) -> web.RequestHandler:
        return _Handler(self, loop=self._loop, **self._arguments)


class _Handler(web.RequestHandler):
    """Answers what cannot be read, or what failed, with constant texts."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """See aiohttp, which logs the error. Raises ConnectionError where an answer has begun."""
        super().handle_error(request, status, exc, message)
        answer = _Nameless(status=status, text=_TEXTS.get(status, _DEFECT))
        answer.force_close()
        return answer


class _Nameless(web.Response):
    """An answer to a request that no application has seen, so that no signal comes to mend it."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)
