"""The server API over HTTP: keys, bodies, error modes, batch, the legacy endpoint (protocol 5)."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from realtime.server.api import BATCH_MAX, ApiKeys, ApiRoutes
from realtime.server.http import make_application
from tests.support.hub import Node, running
from tests.support.memory_store import EPOCH
from tests.unit.hub.permission_oracle import API

KEY = "the-key-of-these-tests"
RIGHT = {"X-API-Key": KEY}
Client = TestClient[web.Request, web.Application]
DEEP = b'{"data":' + b"[" * 5000


class Api:
    """A node, and a client of its server API."""

    def __init__(self, node: Node, client: Client, keys: ApiKeys, routes: ApiRoutes) -> None:
        self.node = node
        self.client = client
        self.keys = keys
        self.routes = routes

    async def post(self, path: str, body: object = None, **headers: str) -> tuple[int, object]:
        """Status and body of an answer; the body as JSON where it is JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body if body is not None else {})
        response = await self.client.post(path, data=data, headers={**RIGHT, **headers})
        text = await response.text()
        if response.content_type != "application/json":
            return response.status, text
        lines = [json.loads(line) for line in text.splitlines()]
        return response.status, lines[0] if len(lines) == 1 else lines


@contextlib.asynccontextmanager
async def served(insecure: bool = False) -> AsyncIterator[Api]:
    """The API of a running node."""
    async with running() as node:
        keys = ApiKeys([KEY, "another-key"], insecure=insecure)
        routes = ApiRoutes(node.api, keys)
        async with TestClient(TestServer(make_application([routes]))) as client:
            yield Api(node, client, keys, routes)


async def test_every_operation_has_a_route_and_none_is_open_without_a_key() -> None:
    async with served() as api:
        assert set(api.routes._operations) == API
        for path in [*(f"/api/{method}" for method in API), "/api/batch", "/api", "/api/nothing"]:
            for headers in ({}, {"X-API-Key": ""}, {"X-API-Key": "wrong"}, {"X-API-Key": KEY[:-1]}):
                response = await api.client.post(path, data=b"{}", headers=headers)
                assert response.status == 401, path
                assert KEY not in await response.text()


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"X-API-Key": KEY}, ""),
        ({"X-API-Key": "another-key"}, ""),
        ({"Authorization": f"apikey {KEY}"}, ""),
        ({"Authorization": f"ApiKey {KEY}"}, ""),
        ({}, f"?api_key={KEY}"),
    ],
)
async def test_a_key_may_come_in_three_ways(headers: dict[str, str], query: str) -> None:
    async with served() as api:
        response = await api.client.post(f"/api/info{query}", data=b"{}", headers=headers)
        assert response.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": KEY},
        {"Authorization": f"Bearer {KEY}"},
        {"X-API-Key": "wrong", "Authorization": f"apikey {KEY}"},
        {"X-API-Key": "schl\u00fcssel"},
    ],
)
async def test_other_ways_are_no_ways(headers: dict[str, str]) -> None:
    async with served() as api:
        assert (await api.client.post("/api/info", data=b"{}", headers=headers)).status == 401


async def test_keys_are_exchanged_while_the_hub_runs() -> None:
    async with served() as api:
        api.keys.use(["fresh"])
        assert (await api.post("/api/info"))[0] == 401
        assert (await api.post("/api/info", **{"X-API-Key": "fresh"}))[0] == 200
        api.keys.use([])
        assert (await api.post("/api/info", **{"X-API-Key": ""}))[0] == 401


async def test_insecure_needs_no_key() -> None:
    async with served(insecure=True) as api:
        assert (await api.client.post("/api/info", data=b"{}")).status == 200


@pytest.mark.parametrize("path", ["/api/publish", "/api/batch", "/api"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_not_allowed(path: str, method: str) -> None:
    async with served() as api:
        response = await api.client.request(method, path, headers=RIGHT)
        assert response.status == 405
        assert response.headers["Allow"] == "POST"


async def test_a_result_and_an_error_are_both_200() -> None:
    async with served() as api:
        publish = {"channel": "chat:1", "data": {"a": 1}}
        assert await api.post("/api/publish", publish) == (
            200,
            {"result": {"offset": 1, "epoch": EPOCH}},
        )
        assert await api.post("/api/presence", {"channel": "nowhere:1"}) == (
            200,
            {"error": {"code": 102, "message": "unknown channel"}},
        )


@pytest.mark.parametrize(
    ("method", "body", "status", "code"),
    [
        ("presence", {"channel": "nowhere:1"}, 404, 102),
        ("rpc", {"method": "x"}, 404, 104),
        ("publish", {"channel": "chat:1"}, 400, 107),
        ("presence", {"channel": "live:1"}, 400, 108),
        ("history", {"channel": "chat:1", "since": {"offset": 1, "epoch": "x"}}, 416, 112),
        ("history", {"channel": "chat:1"}, 500, 100),
    ],
)
async def test_errors_are_statuses_where_that_is_asked_for(
    method: str, body: object, status: int, code: int
) -> None:
    async with served() as api:
        if code == 100:
            api.node.store.fail("read", 2)
        answered = await api.post(
            f"/api/{method}", body, **{"X-Centrifugo-Error-Mode": "transport"}
        )
        assert answered[0] == status
        assert isinstance(answered[1], dict)
        assert answered[1]["error"]["code"] == code
        assert (await api.post(f"/api/{method}", body))[0] == 200


async def test_a_conflict_is_409() -> None:
    async with served() as api:
        body = {"channel": "chat:1", "data": 1, "idempotency_key": "k"}
        await api.post("/api/publish", body)
        mode = {"X-Centrifugo-Error-Mode": "transport"}
        assert (await api.post("/api/publish", {**body, "data": 2}, **mode))[0] == 409


@pytest.mark.parametrize("body", [b"{", b"nonsense", b'{"a":}', b"\xff{}", DEEP])
@pytest.mark.parametrize("path", ["/api/publish", "/api/batch", "/api"])
async def test_a_body_that_is_no_json_is_400_and_not_repeated(path: str, body: bytes) -> None:
    async with served() as api:
        status, answer = await api.post(path, body)
        assert status == 400
        assert isinstance(answer, str)
        assert "nonsense" not in answer
        assert "Traceback" not in answer


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"text"',
        b"1",
        b'{"channel":1}',
        b'{"channel":{"$ne":1},"data":1}',
        b'{"channel":"chat:1","data":1,"tags":[]}',
        b'{"channel":"chat:1","data":1,"version":-1}',
    ],
)
async def test_a_body_of_the_wrong_shape_is_107(body: bytes) -> None:
    async with served() as api:
        assert await api.post("/api/publish", body) == (
            200,
            {"error": {"code": 107, "message": "bad request"}},
        )


async def test_a_compressed_body_is_not_read() -> None:
    async with served() as api:
        for path in ("/api/info", "/api"):
            status, text = await api.post(path, b"{}", **{"Content-Encoding": "gzip"})
            assert (status, text) == (415, "The request's body must not be compressed.\n")


async def test_an_unknown_method_is_104() -> None:
    async with served() as api:
        status, answer = await api.post("/api/nothing")
        assert status == 404
        assert answer == {"error": {"code": 104, "message": "method not found"}}


async def test_a_batch_answers_in_order_without_a_result_around_it() -> None:
    async with served() as api:
        for parallel in (False, True):
            commands: list[object] = [
                {"publish": {"channel": "live:1", "data": 1}},
                {"presence": {"channel": "chat:1"}},
                {"presence": {"channel": "nowhere:1"}},
                {"nothing": {}},
                {"publish": {"channel": 1}},
                {},
            ]
            body = {"commands": commands, "parallel": parallel}
            assert await api.post("/api/batch", body) == (
                200,
                {
                    "replies": [
                        {"publish": {}},
                        {"presence": {"presence": {}}},
                        {"error": {"code": 102, "message": "unknown channel"}},
                        {"error": {"code": 104, "message": "method not found"}},
                        {"error": {"code": 107, "message": "bad request"}},
                        {"error": {"code": 107, "message": "bad request"}},
                    ]
                },
            )
        assert await api.post("/api/batch", {}) == (200, {"replies": []})


async def test_a_batch_is_bounded() -> None:
    async with served() as api:
        commands: list[dict[str, dict[str, str]]] = [{"info": {}}] * (BATCH_MAX + 1)
        assert (await api.post("/api/batch", {"commands": commands}))[0] == 400


async def test_the_legacy_endpoint_answers_line_by_line() -> None:
    async with served() as api:
        lines = [
            {"id": 7, "method": "publish", "params": {"channel": "live:1", "data": 1}},
            {"method": "presence", "params": {"channel": "nowhere:1"}},
            {"id": "x", "method": "nothing"},
        ]
        body = "\n".join(json.dumps(line) for line in lines).encode() + b"\n"
        assert await api.post("/api", body) == (
            200,
            [
                {"id": 7, "result": {}},
                {"error": {"code": 102, "message": "unknown channel"}},
                {"id": "x", "error": {"code": 104, "message": "method not found"}},
            ],
        )
        assert (await api.post("/api", b"\n\n"))[0] == 400


async def test_errors_are_counted_however_they_are_answered() -> None:
    async with served() as api:
        unknown = {"channel": "nowhere:1"}
        await api.post("/api/presence", unknown)
        await api.post("/api/batch", {"commands": [{"presence": unknown}]})
        await api.post("/api", {"method": "presence", "params": unknown})
        await api.post("/api/nothing")
        assert api.node.hub.statistics.errors == {102: 3, 104: 1}


async def test_an_error_of_http_ends_its_connection_and_a_good_answer_does_not() -> None:
    """Else strangers could keep every connection that there is for HTTP."""
    async with served() as api:
        for path, headers, ends in (
            ("/api/info", RIGHT, False),
            ("/api/info", {"X-API-Key": "wrong"}, True),
            ("/nothing", RIGHT, True),
            ("/api/nothing", RIGHT, True),
        ):
            response = await api.client.post(path, data=b"{}", headers=headers)
            assert (response.headers.get("Connection") == "close") is ends, path
        # A client that does not care what the header says.
        server = api.client.server
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET /api/info HTTP/1.1\r\nHost: here\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer.startswith(b"HTTP/1.1 405 ")
        writer.close()


async def test_a_defect_is_answered_without_its_details(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as api:
        monkeypatch.setattr(api.node.hub, "delivery", None)
        status, answer = await api.post("/api/channels")
        assert status == 500
        assert "NoneType" not in str(answer)
        status, answer = await api.post("/api/batch", {"commands": [{"channels": {}}]})
        assert answer == {"replies": [{"error": {"code": 100, "message": "internal server error"}}]}
        assert caplog.text.count("Traceback") == 2
        monkeypatch.undo()
