"""What the server API refuses, and how: never with a traceback, never by guessing."""

import base64
import io
import json

import pytest

from tests.end_to_end.conftest import MakeHub
from tests.support.configuration import API_KEY
from tests.support.server_api import ApiError, ServerApi, open_api

KEY = {"X-API-Key": API_KEY}
METHODS = (
    "publish", "broadcast", "subscribe", "unsubscribe", "disconnect", "refresh", "presence",
    "presence_stats", "history", "history_remove", "channels", "info", "batch", "revoke",
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/info", {}),
        ("/api/info", {"X-API-Key": ""}),
        ("/api/info", {"X-API-Key": API_KEY + "x"}),
        ("/api/info", {"X-API-Key": API_KEY[:-1]}),
        ("/api/info", {"X-API-Key": "ключ"}),
        ("/api/info", {"Authorization": f"Bearer {API_KEY}"}),
        ("/api/info", {"Authorization": "apikey"}),
        ("/api/info?api_key=", {}),
        ("/api/info?api_key=wrong", {}),
        ("/api", {}),
        ("/api/batch", {}),
        ("/api/revoke", {}),
    ],
)
async def test_without_the_key_nothing_is_told(
    api: ServerApi, path: str, headers: dict[str, str]
) -> None:
    answer = await api.post(path, "{}", headers)
    assert answer.status == 401
    assert "result" not in answer.text


async def test_without_keys_configured_everyone_is_refused(make_hub: MakeHub) -> None:
    hub = make_hub({"api": {"keys": []}})
    hub.start()
    async with open_api(hub) as api:
        for headers in ({}, {"X-API-Key": ""}, {"Authorization": "apikey "}):
            assert (await api.post("/api/info", "{}", headers)).status == 401


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
@pytest.mark.parametrize("path", ["/api/info", "/api"])
async def test_only_post_is_taken(api: ServerApi, verb: str, path: str) -> None:
    assert (await api.request(verb, path, headers=KEY)).status == 405


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nonsense", b"\xff\xfe", b"[1]", b"null", b'"text"', b"1e999", b"[" * 50_000,
        b'{"channel":"chat:x"', b'{"a":1}{"b":2}',
    ],
    ids=[
        "empty", "open", "nonsense", "not utf-8", "list", "null", "text", "number", "deep",
        "cut off", "two documents",
    ],
)  # fmt: skip
async def test_a_body_that_is_no_object_is_a_bad_request(
    api: ServerApi, method: str, body: bytes
) -> None:
    answer = await api.post(f"/api/{method}", body)
    if answer.status == 200:
        # An empty body may stand for an empty object where nothing is required.
        assert (body, method) in {(b"", "info"), (b"", "channels")} or (
            json.loads(answer.text)["error"]["code"] == 107
        )
    else:
        assert answer.status == 400
        assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("publish", {}),
        ("publish", {"channel": "chat:x"}),
        ("publish", {"channel": "", "data": 1}),
        ("publish", {"channel": 7, "data": 1}),
        ("publish", {"channel": {"$gt": ""}, "data": 1}),
        ("publish", {"channel": "chat:" + "x" * 300, "data": 1}),
        ("publish", {"channel": "chat:\u0000\r\n", "data": 1}),
        ("publish", {"channel": "chat:x", "data": 1, "tags": ["a"]}),
        ("publish", {"channel": "chat:x", "b64data": "not base64!"}),
        ("publish", {"channel": "chat:x", "b64data": base64.b64encode(b"not json").decode()}),
        ("publish", {"channel": "chat:x", "data": 1, "idempotency_key": 7}),
        ("broadcast", {"channels": [], "data": 1}),
        ("broadcast", {"channels": "chat:x", "data": 1}),
        ("subscribe", {"channel": "chat:x"}),
        ("subscribe", {"user": "ann"}),
        ("unsubscribe", {"user": ["ann"], "channel": "chat:x"}),
        ("disconnect", {}),
        ("disconnect", {"user": "ann", "disconnect": {"code": "x"}}),
        ("disconnect", {"user": "ann", "disconnect": {"code": 1000, "reason": "x"}}),
        ("disconnect", {"user": "ann", "disconnect": {"code": 4000, "reason": "x" * 124}}),
        ("refresh", {}),
        ("refresh", {"user": "ann", "expire_at": "soon"}),
        ("presence", {}),
        ("presence_stats", {"channel": None}),
        ("history", {"limit": 1}),
        ("history", {"channel": "chat:x", "limit": "1"}),
        ("history", {"channel": "chat:x", "limit": 1, "reverse": True, "since": {"offset": 0}}),
        ("history", {"channel": "chat:x", "limit": 1, "since": {"offset": -1}}),
        ("history_remove", {}),
        ("channels", {"pattern": 7}),
        ("batch", {"commands": {}}),
        ("revoke", {}),
        ("revoke", {"user": ""}),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:60],
)
async def test_a_bad_request_is_error_107_or_status_400(
    api: ServerApi, method: str, body: dict[str, object]
) -> None:
    answer = await api.post(f"/api/{method}", json.dumps(body))
    assert answer.status in {200, 400}
    if answer.status == 200:
        assert json.loads(answer.text) == {"error": {"code": 107, "message": "bad request"}}


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE entries; --", "%_*?[a-z]{a,b}", "$ne", "\\", "a'b\"c"]
)
async def test_operators_are_nothing_but_text(api: ServerApi, text: str, room: str) -> None:
    """A channel or key with them is refused, or is just that channel."""
    channel = f"chat:{room}{text}"
    try:
        published = await api.call(
            "publish", channel=channel, data={"$set": text}, idempotency_key=text, tags={text: text}
        )
    except ApiError as refused:
        assert refused.code == 107
        return
    page = await api.call("history", channel=channel, limit=-1)
    assert page["publications"] == [
        {"data": {"$set": text}, "offset": published["offset"], "tags": {text: text}}
    ]
    assert (await api.call("history", channel=f"chat:{room}", limit=-1))["publications"] == []


async def test_an_unknown_method_is_error_104(api: ServerApi) -> None:
    """As status 404 where the method is the path, since that is not found either."""
    answer = await api.post("/api/dance", "{}")
    assert (answer.status, json.loads(answer.text)["error"]["code"]) == (404, 104)
    answer = await api.post("/api", '{"method":"dance","params":{}}')
    assert (answer.status, json.loads(answer.text)["error"]["code"]) == (200, 104)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/publish", {"channel": "unknown:x", "data": 1}, 404),
        ("/api/publish", {"channel": "chat:x"}, 400),
        ("/api/history", {"channel": "plain:x"}, 400),
        ("/api/history", {"channel": "chat:x", "limit": 1, "since": {"epoch": "x"}}, 416),
    ],
)
async def test_errors_become_a_status_where_asked_for(
    api: ServerApi, path: str, body: dict[str, object], status: int
) -> None:
    headers = KEY | {"X-Centrifugo-Error-Mode": "transport"}
    transport = await api.post(path, json.dumps(body), headers)
    assert transport.status == status
    ordinary = await api.post(path, json.dumps(body))
    assert ordinary.status == 200
    assert json.loads(ordinary.text)["error"]["code"]


async def test_a_body_that_is_too_long_is_refused(api: ServerApi) -> None:
    body = json.dumps({"channel": "chat:x", "data": "x" * 11_000_000}).encode()
    answer = await api.request("POST", "/api/publish", data=io.BytesIO(body), headers=KEY)
    assert answer.status == 413
