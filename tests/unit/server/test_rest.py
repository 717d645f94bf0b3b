"""The REST face over aiohttp's own server: tokens, statuses, problem documents, other sites."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from realtime.chat.caller import Caller
from realtime.chat.openapi import PREFIX
from realtime.chat.rpc import Call, Calls
from realtime.chat.table import ALL
from realtime.errors import NOT_FOUND, UNAUTHORIZED, CallRefused
from realtime.server.door_rules import DoorRules
from realtime.server.http import make_application
from realtime.server.rest import RestRoutes
from tests.support.chat import Unlimited, caller
from tests.support.operations import OPERATIONS, Things

Serve = Callable[[], Awaitable[TestClient]]  # type: ignore[type-arg]  # aiohttp's own is generic

ADA = {"Authorization": "Bearer ada"}


async def bearer(token: str) -> Caller:
    """Whose name the token is."""
    if not token:
        raise CallRefused(UNAUTHORIZED)
    return caller(token)


@pytest.fixture
def things() -> Things:
    """What performs the calls."""
    return Things()


@pytest.fixture
def serve(aiohttp_client: AiohttpClient, things: Things) -> Serve:
    """Starts a server and answers a client of it."""

    async def start() -> TestClient:  # type: ignore[type-arg]
        calls = Calls(OPERATIONS, things.operations, allowances=Unlimited())
        rules = DoorRules(("https://app.example.com",), trusted_proxies=())
        routes = RestRoutes(
            calls,
            bearer,
            rules,
            body_max_bytes=1_000,
            version="1",
            errors=lambda code: None,
        )
        return await aiohttp_client(make_application([routes]))

    return start


async def test_a_call_has_its_parameters_in_path_query_and_body(
    serve: Serve, things: Things
) -> None:
    client = await serve()
    answer = await client.post(
        "/api/v1/channels/chat%3Aone/things",
        json={"data": {"a": 1}},
        headers={**ADA, "Idempotency-Key": "k1"},
    )
    assert (answer.status, await answer.json()) == (200, {"offset": 1})
    assert things.put_with == [("ada", b'{"a": 1}', "k1")]
    answer = await client.get(
        "/api/v1/channels/c/things", params={"limit": "3", "ids": "x,y"}, headers=ADA
    )
    assert await answer.json() == {"limit": 3, "ids": ["x", "y"]}


async def test_a_refusal_is_a_problem_document_with_the_wires_code(serve: Serve) -> None:
    client = await serve()
    answer = await client.post(
        "/api/v1/channels/slow/things", json={"data": 1, "client_id": "1"}, headers=ADA
    )
    assert answer.status == 423
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] == "3"
    assert await answer.json() == {
        "type": "/api/v1/docs#423",
        "title": "locked",
        "status": 423,
        "code": 423,
        "why": "slow_mode",
        "retry_after": 3,
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/channels/c/things", b"{", 422, 422),
        ("POST", "/channels/c/things", b'{"data":1}', 422, 422),
        ("GET", "/channels/c/things?limit=x", None, 422, 422),
        ("GET", "/channels/c/things?limit=1&limit=2", None, 422, 422),
        ("GET", "/channels/a%7Bb%7D/things?limit=x", None, 422, 422),
        ("DELETE", "/channels/none", None, 404, 404),
        ("PUT", "/channels/c/things", b"{}", 404, 104),
        ("GET", "/nothing", None, 404, 104),
    ],
)
async def test_what_is_wrong_has_a_status_and_a_code(
    serve: Serve, method: str, path: str, body: bytes | None, status: int, code: int
) -> None:
    client = await serve()
    answer = await client.request(method, f"/api/v1{path}", data=body, headers=ADA)
    assert (answer.status, (await answer.json())["code"]) == (status, code)


class Asked(Calls):
    """Calls of which it is only said which one it was."""

    async def perform(self, caller: Caller, call: Call, read: Callable[[], Any]) -> Any:
        raise CallRefused(NOT_FOUND, field=call.operation.name)


async def test_every_path_leads_to_its_operation(aiohttp_client: AiohttpClient) -> None:
    """Also where another one's has a parameter in the same place."""

    async def perform(caller: Caller, params: Any) -> msgspec.Struct:
        raise AssertionError("nothing is performed")

    calls = Asked(ALL, {each.name: perform for each in ALL}, allowances=Unlimited())
    routes = RestRoutes(
        calls,
        bearer,
        DoorRules((), trusted_proxies=()),
        body_max_bytes=1_000,
        version="1",
        errors=lambda code: None,
    )
    client = await aiohttp_client(make_application([routes]))
    for operation in ALL:
        path = PREFIX + re.sub(r"{\w+}", "7", operation.path)
        answer = await client.request(operation.method, path, headers=ADA)
        assert (await answer.json())["field"] == operation.name


async def test_nobody_is_let_in_without_a_token(serve: Serve, things: Things) -> None:
    client = await serve()
    for headers in ({}, {"Authorization": "Basic ada"}, {"Authorization": "Bearer "}):
        answer = await client.post(
            "/api/v1/channels/c/things", json={"data": 1, "client_id": "1"}, headers=headers
        )
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert (await answer.json())["code"] == 101
    assert things.put_with == []


async def test_a_long_body_is_refused(serve: Serve, things: Things) -> None:
    client = await serve()
    answer = await client.post("/api/v1/channels/c/things", data=b"x" * 2_000, headers=ADA)
    assert (answer.status, (await answer.json())["code"]) == (413, 413)
    assert answer.content_type == "application/problem+json"
    assert things.put_with == []


async def test_only_allowed_sites_may_call(serve: Serve) -> None:
    client = await serve()
    url = "/api/v1/channels/c/things"
    allowed = {**ADA, "Origin": "https://app.example.com"}
    answer = await client.get(url, headers=allowed)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    answer = await client.options(
        url, headers={**allowed, "Access-Control-Request-Headers": "authorization,idempotency-key"}
    )
    assert answer.status == 204
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization,idempotency-key"
    answer = await client.get(url, headers={**ADA, "Origin": "https://evil.example.com"})
    assert answer.status == 403


async def test_the_document_and_the_page_need_no_token(serve: Serve) -> None:
    client = await serve()
    answer = await client.get("/api/v1/openapi.json")
    assert (await answer.json())["openapi"] == "3.1.0"
    answer = await client.get("/api/v1/docs")
    page = await answer.text()
    assert "test.put" in page
    assert "slow_mode" in page
    assert "<script" not in page
