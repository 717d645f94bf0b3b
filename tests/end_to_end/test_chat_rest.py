"""REST as curl sees it: problems, pages, a stream that may break off, and what documents it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jsonschema  # type: ignore[import-untyped]
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.support.chat_users import NAMESPACES, OPERATIONS, PREFIX, UNLIMITED, parts
from tests.support.curl import BROKEN_OFF, Answered, curl
from tests.support.hub_cluster import hub_cluster
from tests.support.processes import HubProcess
from tests.support.tokens import connection_token

CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "namespaces": {**NAMESPACES, "private": {**NAMESPACES["room"], "join": "invite"}},
    "chat": {**UNLIMITED, "typing_per_s": 0.05, "typing_burst": 2.0},
    "client": {"message_max_bytes": 8_192},
    "auth": {"anonymous": True},
}

PAGED: Final = 23
"""How many there are of everything that is paged, and how few come at once."""
LIMIT: Final = 5


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub with rooms, one where a user may say twice that they type."""
    hub = HubProcess(tmp_path_factory.mktemp("hub"), CHANGES)
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


class Document:
    """The OpenAPI document of a hub, to which every answer is held."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._operations = {
            operation["operationId"]: operation
            for methods in document["paths"].values()
            for operation in methods.values()
        }

    def hold(self, method: str, answer: Answered) -> None:
        """Whether an operation may be answered like that."""
        responses = self._operations[method]["responses"]
        assert str(answer.status) in responses, (method, answer)
        content = responses[str(answer.status)]["content"]
        assert answer.kind in content
        schema = {**content[answer.kind]["schema"], "components": self.document["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())


@dataclass
class Person:
    """Somebody with curl and a token."""

    name: str
    hub: HubProcess
    document: Document
    token: str
    _numbers: int = 0

    async def ask(self, method: str, /, **params: Any) -> Answered:
        """What an operation is answered, which is one of the answers that the document names."""
        operation = OPERATIONS[method]
        self._numbers += 1
        headers = {}
        if "client_id" in operation.params.__struct_fields__:
            headers["Idempotency-Key"] = params.pop("key", f"{self.name}-{self._numbers}")
        verb, path, query, body = parts(operation, params)
        text = "&".join(f"{name}={value}" for name, value in query.items())
        answer = await curl(
            f"{self.hub.url}{path}?{text}",
            method=verb,
            token=self.token,
            data=body or None,
            headers=headers,
        )
        self.document.hold(method, answer)
        return answer

    async def call(self, method: str, /, **params: Any) -> Any:
        """The result of an operation."""
        answer = await self.ask(method, **params)
        assert answer.status == 200, (method, answer)
        return answer.json()


@pytest.fixture
async def document(hub: HubProcess) -> Document:
    """The document that the hub serves to anybody."""
    answer = await curl(f"{hub.url}{PREFIX}/openapi.json")
    assert (answer.status, answer.kind) == (200, "application/json")
    return Document(answer.json())


Meet = Callable[[str], Person]


@pytest.fixture
async def meet(hub: HubProcess, document: Document, room: str) -> AsyncIterator[Meet]:
    """Somebody of this test's own."""

    def person(name: str) -> Person:
        user = f"{name}-{room}"
        return Person(user, hub, document, connection_token(user) if name else "")

    yield person


async def create(owner: Person, *members: Person, namespace: str = "room", **fields: Any) -> str:
    """A room with these members; its channel."""
    places = [{"user": member.name} for member in members]
    made = await owner.call("chat.create", namespace=namespace, members=places, **fields)
    channel: str = made["channel"]
    return channel


def test_the_document_is_a_valid_one(document: Document) -> None:
    OpenAPIV31SpecValidator(document.document).validate()
    found = {
        (operation["operationId"], method.upper(), path)
        for path, methods in document.document["paths"].items()
        for method, operation in methods.items()
    }
    assert found == {(op.name, op.method, op.path) for op in OPERATIONS.values()}


async def refused(
    person: Person, status: int, code: int, why: str, method: str, /, **params: Any
) -> Answered:
    """A call that is answered with such a problem."""
    answer = await person.ask(method, **params)
    assert answer.kind == "application/problem+json"
    problem = answer.json()
    told = (answer.status, problem["code"], problem.get("why", problem.get("field", "")))
    assert told == (status, code, why), answer
    assert problem["status"] == status
    assert problem["type"] == f"{PREFIX}/docs#{code}"
    assert answer.headers["cache-control"] == "no-store"
    assert ("retry-after" in answer.headers) is ("retry_after" in problem)
    return answer


async def test_every_refusal_is_a_problem_with_its_status(meet: Meet, hub: HubProcess) -> None:
    ann, bob, eve = meet("ann"), meet("bob"), meet("eve")
    channel = await create(ann, bob)
    hidden = await create(ann, namespace="private")
    sent = await bob.call("chat.send", channel=channel, data={"text": "hi"}, key="once")
    here = {"channel": channel, "offset": sent["offset"]}

    for token in ("", "nonsense", connection_token("ann", ttl_s=-5)):
        nobody = Person("nobody", hub, ann.document, token)
        answer = await nobody.ask("chat.sync")
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    await refused(eve, 403, 103, "not_a_member", "chat.history", channel=channel)
    await refused(bob, 403, 103, "role", "chat.kick", channel=channel, user=ann.name)
    await refused(eve, 404, 404, "channel", "chat.history", channel=hidden)
    await refused(ann, 404, 404, "user", "user.get", user="nobody")
    await refused(ann, 404, 102, "", "chat.channel", channel="nowhere:1")
    await refused(bob, 409, 409, "other_data", "chat.send", channel=channel, data=1, key="once")
    await refused(
        ann, 409, 409, "taken", "chat.create", namespace="room", id=await _taken(ann, channel)
    )
    await refused(ann, 422, 422, "limit", "chat.history", channel=channel, limit=1_000)
    await refused(ann, 422, 422, "members[0].role", "chat.create", **_misnamed())
    await refused(ann, 422, 422, "data", "chat.send", channel=channel)
    await refused(ann, 413, 413, "data", "chat.send", channel=channel, data="x" * 9_000)
    await bob.call("chat.delete", **here)
    await refused(bob, 410, 410, "", "chat.edit", data={"text": "more"}, **here)

    await ann.call("chat.mute", channel=channel, user=bob.name, until=_in_ms(60_000))
    answer = await refused(bob, 423, 423, "muted", "chat.send", channel=channel, data=1)
    assert 30 < int(answer.headers["retry-after"]) <= 60
    await ann.call("chat.archive", channel=channel)
    await refused(ann, 423, 423, "archived", "chat.send", channel=channel, data=1)
    for _ in range(2):
        await ann.call("presence.set", state="active")
    answer = await refused(ann, 429, 111, "rate", "presence.set", state="active")
    assert 0 < int(answer.headers["retry-after"]) <= 20
    assert answer.json()["temporary"]


async def _taken(ann: Person, channel: str) -> str:
    made = await ann.call("chat.create", namespace="room", id=f"mine-{ann.name}")
    assert made["channel"] != channel
    return f"mine-{ann.name}"


def _misnamed() -> dict[str, Any]:
    return {"namespace": "room", "members": [{"user": "x", "role": "king"}]}


def _in_ms(ms: int) -> int:
    return int(time.time() * 1000) + ms


async def test_what_is_no_operation_or_twice_or_no_json_is_refused(
    meet: Meet, hub: HubProcess
) -> None:
    ann = meet("ann")
    base = f"{hub.url}{PREFIX}"
    cases: tuple[tuple[int, str, str, Any], ...] = (
        (404, "GET", "/nothing", None),
        (404, "DELETE", "/sync", None),
        (404, "GET", "/../../etc/passwd", None),
        (422, "GET", "/sync?limit=1&limit=2", None),
        (422, "GET", "/sync?unknown=1", None),
        (422, "GET", "/sync?limit=1e2", None),
        (422, "POST", "/channels", b"{"),
        (422, "POST", "/channels", b"[]"),
        (422, "POST", "/channels", b"\xff\xfe"),
        (422, "POST", "/channels", {"namespace": "room", "client_id": "1", "more": 1}),
        (404, "GET", "/users/%ff", None),
        (413, "POST", "/channels", b"[" * 200_000),
    )
    for status, method, path, data in cases:
        answer = await curl(base + path, method=method, token=ann.token, data=data)
        assert answer.status == status, (method, path, answer)
        if path.startswith("/.."):
            continue
        assert answer.kind == "application/problem+json", (path, answer)
    key = {"Idempotency-Key": "one"}
    body = {"namespace": "room", "client_id": "two"}
    answer = await curl(f"{base}/channels", method="POST", token=ann.token, data=body, headers=key)
    assert (answer.status, answer.json()["field"]) == (422, "client_id")


async def pages(person: Person, method: str, field: str, **params: Any) -> list[Any]:
    """Everything that a list has, page by page; each page but the last says how to go on."""
    found: list[Any] = []
    for _ in range(100):
        page = await person.call(method, limit=LIMIT, **params)
        assert len(page[field]) <= LIMIT
        found += page[field]
        if "cursor" not in page:
            return found
        params["cursor"] = page["cursor"]
    raise AssertionError("the pages do not end")


async def test_pages_have_everything_once(meet: Meet) -> None:
    ann, bob = meet("ann"), meet("bob")
    names = [f"{number:02}-{ann.name}" for number in range(PAGED)]
    channel = await create(ann, bob)
    await ann.call("chat.invite", channel=channel, users=[{"user": name} for name in names])
    for number, name in enumerate(names):
        data = {"n": number}
        await ann.call("chat.send", channel=channel, data=data)
        await bob.call("user.block", user=name)
        await ann.call("feed.follow", namespace="feed", author=name)
        await bob.call("feed.post", namespace="feed", data=data)
        await ann.call("chat.role", channel=channel, user=name, role="reader")
    await ann.call("feed.follow", namespace="feed", author=bob.name)
    everybody = sorted([*names, ann.name, bob.name])
    numbers = list(range(PAGED))

    members = await pages(ann, "chat.members", "members", channel=channel)
    assert sorted(member["user"] for member in members) == everybody
    receipts = await pages(ann, "chat.receipts", "receipts", channel=channel)
    assert sorted(receipt["user"] for receipt in receipts) == everybody
    blocks = await pages(bob, "user.blocks", "blocks")
    assert [block["user"] for block in blocks] == names
    following = await pages(ann, "feed.following", "following", namespace="feed")
    assert sorted(item["author"] for item in following) == sorted([*names, bob.name])
    posts = await pages(ann, "feed.posts", "posts", namespace="feed", author=bob.name)
    assert [post["data"]["n"] for post in posts] == numbers[::-1]
    timeline = await pages(ann, "feed.timeline", "posts", namespace="feed")
    assert [post["data"]["n"] for post in timeline] == numbers[::-1]
    acts = await pages(ann, "chat.audit", "acts", channel=channel)
    assert [act["user"] for act in acts if act["act"] == "role"] == names[::-1]


async def test_history_is_read_both_ways_and_has_every_message_once(meet: Meet) -> None:
    ann = meet("ann")
    channel = await create(ann)
    for number in range(PAGED):
        await ann.call("chat.send", channel=channel, data=number)
    back: list[int] = []
    params: dict[str, Any] = {}
    while True:
        page = await ann.call("chat.history", channel=channel, limit=LIMIT, **params)
        back = [message["data"] for message in page["messages"]] + back
        if "older" not in page:
            break
        params = {"before": page["older"]}
    assert back == list(range(PAGED))
    forth: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await ann.call("chat.history", channel=channel, limit=LIMIT, after=after)
        forth += [message["data"] for message in page["messages"]]
        after = page.get("newer")
    assert forth == back
    around = await ann.call("chat.history", channel=channel, limit=LIMIT, around=10)
    assert 10 in [message["offset"] for message in around["messages"]]


async def test_sync_goes_through_all_channels(meet: Meet) -> None:
    ann = meet("ann")
    made = {await create(ann, title=str(number)) for number in range(PAGED)}
    found: list[str] = []
    cursor = ""
    while True:
        page = await ann.call("chat.sync", limit=LIMIT, cursor=cursor)
        found += [channel["channel"] for channel in page["channels"]]
        cursor = page.get("cursor", "")
        if not cursor:
            break
    assert sorted(found) == sorted(made)
    assert (await ann.call("chat.sync", since=page["since"])).get("full", False) is False


EXPORTED: Final = 2_000


@pytest.mark.timeout(180)
async def test_an_export_that_the_store_breaks_off_is_seen_to_be_broken_off(tmp_path: Path) -> None:
    with hub_cluster(tmp_path, 1, CHANGES) as cluster:
        (hub,) = cluster.hubs
        lines = tmp_path / "lines.jsonl"
        lines.write_text("\n".join(map(json.dumps, talk(EXPORTED))))
        imported = await asyncio.to_thread(hub.command, "import", str(lines), timeout_s=60)
        assert imported.returncode == 0, imported.stderr
        url = f"{hub.url}{PREFIX}/users/ann/export"
        token = connection_token("ann")
        answer = await curl(url, token=token)
        assert (answer.exit, answer.status, answer.kind) == (0, 200, "application/x-ndjson")
        told = [json.loads(line) for line in answer.body.splitlines()]
        said = [line["data"]["n"] for line in told if line.get("kind") == "message"]
        assert said == list(range(EXPORTED))
        assert (told[0]["type"], told[-1]) == ("export", {"type": "end"})

        begun = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            broken = tasks.create_task(curl(url, token=token, begun=begun), name="export")
            await begun.wait()
            cluster.mongo.kill9()
        answer = broken.result()
        assert (answer.exit, answer.status) == (BROKEN_OFF, 200)
        assert b'"type":"end"' not in answer.body
        await asyncio.to_thread(cluster.mongo.start)
        assert cluster.complaints() == []


def talk(count: int) -> Iterator[dict[str, Any]]:
    """So many messages of one user, of a kilobyte each, for an import."""
    yield {"type": "channel", "channel": "room:talk", "owner": "ann"}
    for number in range(count):
        yield {
            "type": "message",
            "channel": "room:talk",
            "id": str(number),
            "user": "ann",
            "at": 1_700_000_000_000 + number,
            "data": {"n": number, "text": "x" * 1_000},
        }
