"""The store as a whole: what it asks of a server, what it costs, and what it never tells."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec
import pytest

from realtime.errors import StoreError, StoreUnavailable
from realtime.model import Change, ClientInfo, Retention, Revocation
from realtime.rows import MEMBERS, USERS
from realtime.stores.base import (
    DEDUPE_TTL_MS,
    Appended,
    NodeInfo,
    PresenceEntry,
    Removal,
    Span,
    Write,
)
from realtime.stores.mongo import MongoStore, Timeouts
from tests.support.log_entries import NOW, head, new_entries, new_entry, shown, sweep_all
from tests.support.mongo_servers import SOCKETS_LEFT, ReadyMongoStore
from tests.unit.stores.mongo.recording import Command, name_of, recorded

MakeStore = Callable[..., ReadyMongoStore]

PLAIN_COMMANDS: Final = {
    "insert",
    "find",
    "getMore",
    "update",
    "delete",
    "createIndexes",
    "listIndexes",
    "killCursors",
}
PLAIN_OPERATORS: Final = {
    *("$or", "$and", "$in", "$gt", "$gte", "$lt", "$lte", "$exists"),
    *("$set", "$setOnInsert", "$max", "$inc"),
}
PLAIN_OPERATORS_OF_THE_WIRE: Final = {"$db", "$clusterTime", "$readPreference"}


async def do_everything(store: MongoStore) -> None:
    """Call every method, most of them so that there is something to do."""
    tags = {"$where": "1", "a.b": "$x"}
    info = ClientInfo("$gt", "{$ne: 1}")
    await store.append([new_entry("a", f"{n}", tags=tags, info=info) for n in range(20)])
    await store.append([new_entry(f"c{n}", "1", sender="$ne") for n in range(20)])
    await store.append([new_entry("a", "3"), new_entry("a", "new"), new_entry("c1", "1")])
    await shown(store, "a")
    await store.missed({"a": 0, "c1": 0, "$or": 0}, limit=100)
    await store.truncate("a")
    for now_ms in (NOW + 1, NOW + DEDUPE_TTL_MS + 1):
        await sweep_all(store, lambda name: Retention(1, 5), now_ms=now_ms)
    await store.revoke(Revocation(user="$ne", at=NOW, until=NOW + 1))
    await store.revoke(Revocation(user="ann", at=NOW + 5))
    await store.revocations(after=0, limit=10, now_ms=NOW)
    for until_ms in (1, 1, NOW * 10):
        await store.claim("$gt", "$gt", b"x", until_ms=until_ms)
    node = NodeInfo("n", "1")
    await store.register("$n", node)
    await store.beat("$n", node)
    await store.condemn("$n", 2)
    await store.nodes()
    await store.depart("$n")
    await store.take("$task", "$n", before="")
    await store.take("$task", "m", before="$n")
    await store.holder("$task")
    await store.release("$task", "m")
    entry = PresenceEntry("$n", "$c", info)
    await store.change_presence(put=[entry], remove=[PresenceEntry("$n", "d", info)])
    await store.present("$c", limit=5)
    await store.of_node("$n", limit=5)
    await store.take_away([entry])
    await store.check_epoch()
    await change_everything(store)
    await write_everything(store)


async def change_everything(store: MongoStore) -> None:
    """Every method of `ChangeStore`."""
    await store.append([new_entry("e", f"{n}", pending=True, tags={"$x": "1"}) for n in range(5)])
    await store.append([new_entry("e", "edit", kind="edit", ref=1, pending=True)])
    edit = Change("e", 1, 6, b"x", {"$set": "1"}, edited_at=NOW)
    await store.change([edit, msgspec.structs.replace(edit, offset=2, deleted_at=NOW)])
    await store.summarise("e", 1, b"{}", by=9)
    await store.blank("e", [3, 4])
    await store.disown("e", [3, 9])
    await store.fetch({"e": [1, 2], "c1": [1]}, stubs=True)
    await store.find_sent("e", "user:ann", "1")
    await store.sent_by("e", "user:ann", after=0, limit=9)
    await store.pending(before_ms=NOW + 1, limit=9)
    await store.pending(channel="e", before_ms=NOW + 1, limit=9)
    await store.settle("e", [1, 2])
    await store.notifiable(limit=9)
    await store.notifiable(after_ms=1, before_ms=NOW + 1, limit=9)
    await store.notified({"e": [1, 2], "$ne": [3]})
    await store.scrub()
    await store.channels_with("$ne", after="", limit=9)
    await store.forget_user("$ne")


async def write_everything(store: MongoStore) -> None:
    """Every method of `TableStore`."""
    key = ("$c", "$u")
    write = Write(MEMBERS, key, set={"role": "$ne"}, highest={"read": 5}, add={"read_n": 1})
    forms: list[dict[str, Any]] = [
        {"absent": True},
        {"present": True},
        {"below": ("offset", 5)},
        {"equals": {"role": "$ne", "sent_id": ""}},
    ]
    writes: list[Write | Removal] = [msgspec.structs.replace(write, **form) for form in forms]
    writes += [write, Removal(MEMBERS, key, equals={"role": "$gt"}), Removal(USERS, ("$u",))]
    for each in writes:
        await store.decide(each)
    await store.write(writes)
    await store.get(MEMBERS, [key, ("a", "b")])
    spans = [Span(("$c",)), Span(("a",), after="$x", before="z")]
    for merged in (False, True):
        await store.find(MEMBERS, *spans, limit=5, merged=merged)
        await store.find(MEMBERS, *spans, by=("user", "channel"), limit=5, merged=merged)


def operators(value: object) -> Iterator[str]:
    """Every key that begins with a dollar, however deep."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key.startswith("$"):
                yield key
            yield from operators(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from operators(inner)


async def record_everything(make_store: MakeStore, url: str) -> list[Command]:
    with recorded(url) as commands:
        store = make_store()
        await store.open()
        await do_everything(store)
        await store.close()
    return commands


async def test_only_what_every_server_does_alike_is_asked_of_it(
    make_store: MakeStore, mongo_url: str
) -> None:
    """No transactions, aggregation, change streams, TTL or partial indexes; see the design, 3."""
    commands = await record_everything(make_store, mongo_url)
    assert {name_of(command) for command in commands} <= PLAIN_COMMANDS
    assert {name for command in commands for name in operators(command)} <= (
        PLAIN_OPERATORS | PLAIN_OPERATORS_OF_THE_WIRE
    )
    for command in commands:
        assert not {"txnNumber", "autocommit", "startTransaction"} & set(command)
        for index in command.get("indexes", ()):
            assert set(index) <= {"key", "name", "unique"}


async def test_every_write_is_of_a_majority_and_every_read_of_what_it_has(
    make_store: MakeStore, mongo_url: str
) -> None:
    for command in await record_everything(make_store, mongo_url):
        if name_of(command) in {"insert", "update", "delete"}:
            concern: Mapping[str, Any] = command["writeConcern"]
            assert (concern["w"], concern["j"]) == ("majority", True)
            assert 0 < concern["wtimeout"] <= 10_000
        elif name_of(command) == "find":
            assert command["readConcern"]["level"] == "majority"
            assert command.get("$readPreference", {"mode": "primary"}) == {"mode": "primary"}


async def test_a_url_cannot_weaken_what_is_promised(make_store: MakeStore, mongo_url: str) -> None:
    weaker = f"{mongo_url}?w=1&journal=false&readConcernLevel=local&wTimeoutMS=0"
    weaker += "&readPreference=secondaryPreferred"
    store = make_store(weaker)
    with recorded(mongo_url) as commands:
        await store.open()
        await store.append([new_entry("a", "1")])
        await shown(store, "a")
        await store.close()
    (insert,) = [c for c in commands if c.get("insert") == "entries"]
    assert dict(insert["writeConcern"]) == {"w": "majority", "j": True, "wtimeout": 8000}
    finds = [command for command in commands if name_of(command) == "find"]
    assert finds
    assert all(find["readConcern"]["level"] == "majority" for find in finds)


# What it costs


async def test_a_group_of_single_entries_is_one_command(
    mongo_store: MongoStore, mongo_url: str
) -> None:
    names = [f"channel {number}" for number in range(64)]
    with recorded(mongo_url) as commands:
        await mongo_store.append([new_entry(name, "1") for name in names])
    # Who they are, their names, and the entries.
    assert [name_of(command) for command in commands] == ["find", "insert", "insert"]
    for number in range(2, 5):
        with recorded(mongo_url) as commands:
            await mongo_store.append([new_entry(name, f"{number}") for name in names])
        assert [name_of(command) for command in commands] == ["insert"]


async def test_a_resent_outbox_costs_a_few_commands(make_store: MakeStore, mongo_url: str) -> None:
    """Of 500 entries that are there already, whichever node gets them."""
    one, other = make_store(), make_store()
    await one.open()
    await other.open()
    outbox = new_entries("a", 500)
    await one.append(outbox[:480])
    for store in (one, other):
        with recorded(mongo_url) as commands:
            answers = await store.append(outbox)
        assert [answer.offset for answer in answers] == list(range(1, 501))
        assert len(commands) <= 12


async def test_a_page_is_read_in_four_commands_and_a_head_in_one(
    mongo_store: MongoStore, mongo_url: str
) -> None:
    await mongo_store.append(new_entries("a", 50))
    with recorded(mongo_url) as commands:
        await shown(mongo_store, "a")
    # The head, what was truncated and what is pending at once; then the entries.
    assert [name_of(command) for command in commands] == ["find"] * 4
    assert "$gte" in str(commands[-1]["filter"])
    with recorded(mongo_url) as commands:
        await head(mongo_store, "a")
        await mongo_store.missed({"a": 50, "b": 0}, limit=10)
    assert [name_of(command) for command in commands] == ["find"] * 2


async def test_idle_channels_cost_a_sweep_one_command(
    mongo_store: MongoStore, mongo_url: str
) -> None:
    await mongo_store.append([new_entry(f"channel {number}", "1") for number in range(100)])
    with recorded(mongo_url) as commands:
        await sweep_all(mongo_store, lambda name: Retention(-1, 0), now_ms=NOW)
    assert len(commands) == 1
    with recorded(mongo_url) as commands:
        await sweep_all(mongo_store, lambda name: Retention(10, 60_000), now_ms=NOW)
    assert len(commands) == 2


# Bounds


async def test_more_than_may_wait_is_refused_at_once(make_store: MakeStore, mongo_url: str) -> None:
    store = make_store(pending_max=10, pending_bytes_max=1000)
    await store.open()
    first = asyncio.ensure_future(store.append(new_entries("a", 8)))
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="too much waits"):
        await store.append(new_entries("b", 3))
    with pytest.raises(StoreUnavailable, match="too much waits"):
        await store.append([new_entry("b", "1", data=b"x" * 1000)])
    assert len(await first) == 8
    # Alone, even one larger than everything is taken.
    assert len(await store.append(new_entries("b", 30))) == 30
    assert store.statistics().pending_rows == store.statistics().pending_bytes == 0


async def test_more_calls_than_may_be_under_way_are_refused_at_once(
    make_store: MakeStore, mongo_url: str
) -> None:
    store = make_store(calls_max=3)
    await store.open()
    reads = await asyncio.gather(*[head(store, "a") for _ in range(5)], return_exceptions=True)
    assert reads[:3] == [0, 0, 0]
    assert all(isinstance(error, StoreUnavailable) for error in reads[3:])


async def test_what_was_committed_is_told(make_store: MakeStore, mongo_url: str) -> None:
    told: list[tuple[int, float]] = []
    store = make_store(on_commit=lambda rows, s: told.append((rows, s)))
    await store.open()
    await store.append([new_entry("a", "1"), new_entry("b", "1")])
    await store.append(new_entries("c", 5))
    await store.append(new_entries("c", 5))
    assert [rows for rows, _ in told] == [2, 5]
    assert all(seconds > 0 for _, seconds in told)
    assert store.statistics().rows == 7


# What it never tells


@SOCKETS_LEFT
@pytest.mark.parametrize(
    "url",
    [
        "mongodb://annabel:hunter2@127.0.0.1:1/chat",
        "mongodb://annabel:hunter2@127.0.0.1:1,127.0.0.2:1/chat?authSource=admin",
        "mongodb://annabel:hunter2@host:99999/chat",
        "mongodb://annabel:hunter2/x@127.0.0.1:1/chat",
        "mongodb://annabel:hunter2@127.0.0.1:1/a b",
        "mysql://annabel:hunter2@127.0.0.1:1/chat",
    ],
)
async def test_no_error_has_the_password(url: str) -> None:
    store = MongoStore(url, timeouts=Timeouts(select_s=0.2))
    with pytest.raises(StoreError) as caught:
        await store.open()
    said = f"{caught.value}{caught.value!r}{store!r}"
    assert "hunter2" not in said
    assert "annabel" not in said


@SOCKETS_LEFT
async def test_a_server_that_is_not_there_is_named() -> None:
    store = MongoStore("mongodb://127.0.0.1:1/chat", timeouts=Timeouts(select_s=0.2))
    with pytest.raises(StoreUnavailable, match=r"MongoDB 127\.0\.0\.1:1/chat: .*reached"):
        await store.open()


async def test_the_database_is_the_url_s_or_realtime(mongo_url: str) -> None:
    from realtime.stores.mongo.client import DEFAULT_TIMEOUTS, Database

    for url, place in (
        ("mongodb://db1", "MongoDB db1/realtime"),
        ("mongodb://u:p@db1:1,db2/chat?replicaSet=rs", "MongoDB db1:1,db2/chat"),
    ):
        database = Database(url, DEFAULT_TIMEOUTS, pool_max=1)
        assert database.place == place
        await database.close()


# Objects in place of texts


@pytest.mark.parametrize("value", [{"$ne": ""}, {"$gt": ""}, ["a"], None, 5])
async def test_operators_in_place_of_texts_reach_nobody(
    mongo_store: MongoStore, value: Any
) -> None:
    await mongo_store.append([new_entry("a", "1")])
    await mongo_store.register("n", NodeInfo("n", "1"))
    info = ClientInfo("ann", "c")
    await mongo_store.change_presence(put=[PresenceEntry("n", "a", info)], remove=())
    with pytest.raises(TypeError):
        await shown(mongo_store, value)
    with pytest.raises(TypeError):
        await mongo_store.append([new_entry("a", value)])
    with pytest.raises(TypeError):
        await mongo_store.claim("s", value, b"", until_ms=NOW * 10)
    with pytest.raises(TypeError):
        await mongo_store.condemn(value, 1)
    with pytest.raises(TypeError):
        await mongo_store.depart(value)
    with pytest.raises(TypeError):
        await mongo_store.take_away([PresenceEntry(value, "a", info)])
    assert await mongo_store.append([new_entry("a", "2")]) == [Appended(2, NOW)]
    assert len(await mongo_store.nodes()) == 1
    assert len(await mongo_store.present("a", limit=9)) == 1
