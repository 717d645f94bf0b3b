"""The app's check before a message is stored, over a real port."""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from realtime.chat.hooks import Question
from realtime.errors import CommandRefused
from realtime.server.hook import FAILURES_MAX, REST_S, SIGNATURE_HEADER, HttpHook
from tests.support.chat import ManualClock, caller

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUESTION = Question("message", "chat:1", "ada", msgspec.Raw(b'{"text": "hi"}'), "c1")


class App:
    """An app that is asked, on a port of its own; answers as the test says."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[tuple[bytes, str]] = []
        self._answer = answer
        self._server: TestServer | None = None
        self.clock = ManualClock()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((await request.read(), request.headers.get(SIGNATURE_HEADER, "")))
        return await self._answer(request)

    async def hook(self, *, fail: Literal["open", "closed"] = "open") -> HttpHook:
        """What asks it."""
        application = web.Application()
        application.router.add_post("/check", self._handle)
        self._server = TestServer(application, host="127.0.0.1")
        await self._server.start_server()
        return HttpHook(
            str(self._server.make_url("/check")),
            secret=b"key",
            timeout_s=0.3,
            fail=fail,
            data_max_bytes=50,
            now=self.clock.monotonic,
        )

    async def close(self, hook: HttpHook) -> None:
        """End both."""
        await hook.close()
        if self._server is not None:
            await self._server.close()


def says(body: Any, status: int = 200) -> Answer:
    """An answer of JSON."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return answer


async def test_the_app_is_asked_with_a_signature_and_may_allow() -> None:
    app = App(says({"allow": True}))
    hook = await app.hook()
    assert await hook.ask(caller("ada"), QUESTION) == b'{"text": "hi"}'
    ((body, signature),) = app.asked
    assert msgspec.json.decode(body) == {
        "kind": "message",
        "channel": "chat:1",
        "user": "ada",
        "data": {"text": "hi"},
        "client_id": "c1",
    }
    assert signature == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()
    await app.close(hook)


@pytest.mark.parametrize(
    ("answer", "code"), [({"allow": False}, 103), ({"allow": True, "data": "x" * 60}, 413)]
)
async def test_the_app_may_refuse(answer: Any, code: int) -> None:
    app = App(says(answer))
    hook = await app.hook()
    with pytest.raises(CommandRefused) as refused:
        await hook.ask(caller("ada"), QUESTION)
    assert refused.value.error.code == code
    await app.close(hook)


async def test_the_app_may_put_other_data_in_its_place() -> None:
    app = App(says({"allow": True, "data": {"text": "**"}}))
    hook = await app.hook()
    assert await hook.ask(caller("ada"), QUESTION) == b'{"text": "**"}'
    await app.close(hook)


async def hang(request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.sleep(30)
    raise AssertionError


@pytest.mark.parametrize("answer", [hang, says("no verdict"), says({}, 500)])
async def test_without_an_answer_the_settings_decide(answer: Answer) -> None:
    app = App(answer)
    hook = await app.hook()
    assert await hook.ask(caller("ada"), QUESTION) == b'{"text": "hi"}'
    assert hook.failures == 1
    await app.close(hook)
    app = App(answer)
    hook = await app.hook(fail="closed")
    with pytest.raises(CommandRefused) as refused:
        await hook.ask(caller("ada"), QUESTION)
    assert refused.value.error.code == 100
    await app.close(hook)


async def test_an_app_that_is_gone_is_left_alone_for_a_while_and_asked_again() -> None:
    app = App(says({}, 500))
    hook = await app.hook()
    for _ in range(FAILURES_MAX + 10):
        await hook.ask(caller("ada"), QUESTION)
    assert len(app.asked) == FAILURES_MAX
    app.clock.now_ms += int(REST_S * 1000)
    for _ in range(3):
        await hook.ask(caller("ada"), QUESTION)
    assert len(app.asked) == FAILURES_MAX + 1
    await app.close(hook)
