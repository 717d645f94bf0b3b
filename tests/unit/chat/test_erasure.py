"""Erasing a user from a store in a file: nothing is left, whatever it is interrupted by."""

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from realtime.chat.calls.law import EraseParams, ErasureParams, ExportParams
from realtime.chat.erasure import Eraser, Erasing
from realtime.chat.export import export_user
from realtime.chat.law import Law
from realtime.errors import CommandRefused, StoreUnavailable
from realtime.model import ClientInfo, NewEntry, Retention, Revocation
from realtime.push.erasing import PushErasure
from realtime.push.rows import DEAD, DEVICES, JOBS, TRAIL
from realtime.rows import (
    ANSWERS,
    AUDIT,
    BLOCKS,
    CHANNELS,
    EVERYBODY,
    HERE,
    MEMBERS,
    MENTIONS,
    PINS,
    POSTS,
    REACTIONS,
    REFERENCES,
    REPORTS,
    TIMELINE,
    USERS,
)
from realtime.stores.base import Span, Table, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import caller, chat_parts

USER = "ada-who-is-planted"
TEXT = "a text that is planted"
ADDRESS = "an-address-that-is-planted"
ALL = Retention(-1, 0)


def entry(
    sender: str,
    number: int,
    data: Any,
    *,
    channel: str = "chat:one",
    kind: Any = "message",
    ref: int = 0,
    **tags: str,
) -> NewEntry:
    """An entry as the service makes them."""
    return NewEntry(
        channel,
        f"u:{sender}",
        f"{sender}-{number}",
        json.dumps(data).encode(),
        number,
        kind,
        b"digest",
        ref,
        ClientInfo(sender, "client", f'{{"name":"{sender}"}}'.encode()),
        tags or None,
        counts=kind == "message",
    )


async def plant(store: SQLiteStore) -> None:
    """A user in everything that there is, and another one beside."""
    await store.append(
        [
            entry(
                "bob",
                1,
                {"act": "create", "users": [{"user": "bob"}, {"user": USER, "role": "member"}]},
                kind="member",
            ),
            entry(USER, 2, {"text": TEXT}),
            entry("bob", 3, {"text": "hello"}, mentions=json.dumps([USER, "eve"])),
            entry("bob", 4, {"text": "alone"}, mentions=json.dumps([USER])),
            entry(USER, 5, {"text": f"again: {TEXT}"}, kind="edit", ref=2),
            entry(USER, 6, {"emoji": "x", "shown": True}, kind="reaction", ref=3),
            entry("bob", 7, {"act": "mute", "user": USER, "until": 99}, kind="member"),
            entry(USER, 8, TEXT, channel="room:plain"),
            entry(USER, 9, {"post": TEXT}, channel="feed:h"),
            entry("bob", 10, {"post": "mine"}, channel="feed:b"),
            entry(USER, 11, {"text": TEXT}, ref=4),
        ]
    )
    await store.revoke(Revocation(user=USER, act="ban", channel="chat:one", at=1))
    await store.write(
        [
            Write(CHANNELS, ("chat:one",), set={"owner": USER, "last": _last(USER)}),
            Write(CHANNELS, ("feed:h",), set={"owner": USER, "kind": "feed"}),
            Write(MEMBERS, ("chat:one", USER), set={"role": "owner"}),
            Write(MEMBERS, ("chat:one", "bob"), set={"role": "member", "invited_by": USER}),
            Write(MEMBERS, ("feed:h", "bob"), set={"role": "follower"}),
            Write(MEMBERS, ("feed:b", USER), set={"role": "follower"}),
            Write(USERS, (USER,), set={"name": f"Name of {USER}", "custom": b'{"x":1}'}),
            Write(USERS, ("bob",), set={"name": "Bob"}),
            Write(BLOCKS, (USER, "eve"), set={"at": 1}),
            Write(BLOCKS, ("eve", USER), set={"at": 1}),
            Write(BLOCKS, ("eve", "bob"), set={"at": 1}),
            Write(MENTIONS, (USER, "chat:one", 3), set={"by": "bob"}),
            Write(MENTIONS, ("eve", "chat:one", 2), set={"by": USER}),
            Write(REACTIONS, ("chat:one", 3, "x", USER), set={"shown": 1, "offset": 6}),
            Write(REFERENCES, ("chat:one", 2, 5), set={"kind": "edit", "user": USER}),
            Write(REFERENCES, ("chat:one", 4, 8), set={"kind": "message", "user": USER}),
            Write(CHANNELS, ("feed:i",), set={"owner": USER, "kind": "feed"}),
            Write(AUDIT, ("chat:one", "a3"), set={"by": "root", "detail": _last(USER)}),
            Write(PINS, ("chat:one", 3), set={"pinned": 1, "by": USER}),
            Write(REPORTS, ("r1",), set={"reporter": USER, "text": TEXT, "about": "bob"}),
            Write(REPORTS, ("r2",), set={"reporter": "bob", "about": USER, "text": "rude"}),
            Write(AUDIT, ("chat:one", "a1"), set={"by": USER, "target": "bob"}),
            Write(
                AUDIT, ("chat:one", "a2"), set={"by": "bob", "target": USER, "detail": _last(USER)}
            ),
            Write(POSTS, ("p1",), set={"channel": "feed:h", "author": USER, "offset": 1}),
            Write(POSTS, ("p2",), set={"channel": "feed:b", "author": "bob", "offset": 1}),
            Write(TIMELINE, ("bob", "p1"), set={"channel": "feed:h", "offset": 1}),
            Write(TIMELINE, (USER, "p2"), set={"channel": "feed:b", "offset": 1}),
            Write(ANSWERS, (USER, "c1"), set={"answer": b"{}"}),
            Write(HERE, (USER, "node"), set={}),
            Write(DEVICES, (USER, ""), set={"level": "mentions", "quiet": b'{"zone":"UTC"}'}),
            Write(DEVICES, (USER, "phone"), set={"address": ADDRESS, "locale": "de"}),
            Write(DEVICES, (USER, "browser"), set={"address": ADDRESS, "auth": ADDRESS}),
            Write(DEVICES, ("bob", "phone"), set={"address": "bob's"}),
            Write(JOBS, (USER, "chat:one"), set={"state": "due", "offset": 3, "lease": "mine"}),
            Write(JOBS, ("bob", "chat:one"), set={"state": "due", "offset": 2}),
            Write(DEAD, ("d1",), set={"user": USER, "device": "phone", "why": "BadTopic"}),
            Write(DEAD, ("d2",), set={"user": "bob"}),
            Write(TRAIL, (USER, "chat:one", 3, ""), set={"reason": "waiting"}),
            Write(TRAIL, (USER, "chat:one", 3, "phone"), set={"reason": "refused"}),
            Write(TRAIL, ("bob", "chat:one", 2, ""), set={"reason": "read"}),
        ]
    )


def _last(user: str) -> bytes:
    return msgspec.json.encode({"user": user})


class Work:
    """An erasure that is kept as a store keeps it: as bytes."""

    def __init__(self) -> None:
        self.kept = msgspec.json.encode(Erasing(USER))
        self.forgotten: set[str] = set()
        self.fails_once: set[str] = set()
        """Channels that nodes cannot be told to forget when that is tried first."""
        self.recounted: set[tuple[str, int]] = set()

    async def go_on(self, store: Any) -> Erasing:
        """Begin where the last one stopped."""
        erasing = msgspec.json.decode(self.kept, type=Erasing)

        async def save() -> None:
            self.kept = msgspec.json.encode(erasing)

        async def forget(channel: str) -> None:
            if channel in self.fails_once:
                self.fails_once.remove(channel)
                raise StoreUnavailable("it died")
            self.forgotten.add(channel)

        async def recount(channel: str, ref: int) -> None:
            self.recounted.add((channel, ref))

        await Eraser(
            store,
            forget=forget,
            recount=recount,
            feeds=lambda user: ["feed:h", "feed:i"],
            push=PushErasure(store, pushes=lambda _: True, now_ms=now_ms),
        ).carry_out(erasing, save)
        return erasing


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


class Dying:
    """A store whose writes fail after some."""

    def __init__(self, store: SQLiteStore, after: int) -> None:
        self._store = store
        self._left = after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in ("write", "disown", "change", "forget_user", "scrub"):
            return method
        return self._counted(method)

    def _counted(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counted(*arguments: Any, **options: Any) -> Any:
            if not self._left:
                raise StoreUnavailable("it died")
            self._left -= 1
            return await method(*arguments, **options)

        return counted


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Where the store is."""
    return tmp_path / "store.db"


def traces(path: Path) -> Sequence[str]:
    """Files of the store that have the user's name or words."""
    return [
        file.name
        for file in path.parent.iterdir()
        for planted in (USER, TEXT, ADDRESS)
        if planted.encode() in file.read_bytes()
    ]


async def test_nothing_is_left_of_a_user_and_everything_of_the_others(path: Path) -> None:
    store = SQLiteStore(str(path))
    await store.open()
    await plant(store)
    assert traces(path)
    work = Work()
    erasing = await work.go_on(store)
    assert traces(path) == []
    assert erasing.user == ""
    assert erasing.report.entries == {"message": 4, "edit": 1, "reaction": 1}
    assert erasing.report.traces == 4
    assert erasing.report.revocations == 1
    report = erasing.report
    assert (report.devices, report.jobs, report.dead_letters) == (2, 1, 1)
    assert [report.rows[table.name] for table in (DEVICES, JOBS, DEAD, TRAIL)] == [3, 1, 1, 2]
    assert work.forgotten == {"chat:one", "feed:b", "feed:h", "room:plain"}
    assert work.recounted == {("chat:one", 3), ("chat:one", 4)}
    page = await store.read("chat:one", limit=100, retention=ALL, now_ms=0)
    assert [item.offset for item in page.entries] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert page.head_n == 4
    third, fourth = page.entries[2], page.entries[3]
    assert (third.data, third.tags) == (b'{"text": "hello"}', {"mentions": '["eve"]'})
    assert fourth.tags is None
    assert json.loads(page.entries[0].data) == {
        "act": "create",
        "users": [{"user": "bob"}, {"user": "", "role": "member"}],
    }
    gone = await store.find(MENTIONS, Span((EVERYBODY, "chat:one")), limit=9)
    assert [row.offset for row in gone] == [2, 8]
    (bob,) = await store.get(MEMBERS, [("chat:one", "bob")])
    assert (bob.role, bob.invited_by) == ("member", "")
    assert [row.place for row in await store.find(POSTS, Span(), limit=9)] == ["p2"]
    assert [row.blocked for row in await store.find(BLOCKS, Span(), limit=9)] == ["bob"]
    tables: tuple[Table[Any], ...] = (DEVICES, JOBS, DEAD, TRAIL)
    for table in tables:
        assert [row.user for row in await store.find(table, Span(), limit=9)] == ["bob"]
    (feed,) = (await store.read("feed:b", limit=9, retention=ALL, now_ms=0)).entries
    assert json.loads(feed.data) == {"post": "mine"}
    await store.close()
    assert traces(path) == []


async def test_an_erasure_that_dies_at_any_write_goes_on_and_ends_the_same(path: Path) -> None:
    for after in range(60):
        file = path.parent / str(after) / "store.db"
        file.parent.mkdir()
        store = SQLiteStore(str(file))
        await store.open()
        await plant(store)
        work = Work()
        died = False
        try:
            await work.go_on(Dying(store, after))
        except StoreUnavailable:
            died = True
            await work.go_on(store)
        assert traces(file) == []
        await store.close()
        if not died:
            assert after > 15
            return
    raise AssertionError("it never came to its end")


async def test_nodes_that_could_not_be_told_to_forget_are_told_later() -> None:
    """Nothing in the channel says any more that the user has written there."""
    store = SQLiteStore(":memory:")
    await store.open()
    await plant(store)
    work = Work()
    work.fails_once.add("room:plain")
    with pytest.raises(StoreUnavailable):
        await work.go_on(store)
    assert "room:plain" not in work.forgotten
    await work.go_on(store)
    assert work.forgotten == {"chat:one", "feed:b", "feed:h", "room:plain"}
    await store.close()


async def test_an_export_has_everything_of_the_user_and_nothing_of_who_reported_them(
    path: Path,
) -> None:
    store = SQLiteStore(str(path))
    await store.open()
    await plant(store)
    lines = [json.loads(line) async for line in export_user(store, USER, now_ms=5)]
    assert lines[0] == {"type": "export", "format": 1, "user": USER, "at": 5}
    types = [line["type"] for line in lines]
    assert {kind: types.count(kind) for kind in types} == {
        "export": 1,
        "user": 1,
        "membership": 2,
        "entry": 6,
        "reaction": 1,
        "mention": 1,
        "post": 1,
        "block": 1,
        "report_made": 1,
        "reported": 1,
        "act": 1,
        "acted_upon": 1,
        "push_settings": 1,
        "push_device": 2,
        "push_job": 1,
        "push_dead": 1,
        "push_trail": 2,
    }
    entries = [line for line in lines if line["type"] == "entry"]
    assert {line["channel"] for line in entries} == {"chat:one", "room:plain", "feed:h"}
    assert entries[0]["data"] == {"text": TEXT}
    assert "bob" not in json.dumps(next(line for line in lines if line["type"] == "reported"))
    assert next(line for line in lines if line["type"] == "push_settings") == {
        "type": "push_settings",
        "user": USER,
        "level": "mentions",
        "quiet": {"zone": "UTC"},
    }
    devices = [line for line in lines if line["type"] == "push_device"]
    assert devices[1] == {"type": "push_device", "user": USER, "device": "phone", "locale": "de"}
    assert ADDRESS not in json.dumps(lines)
    assert "lease" not in next(line for line in lines if line["type"] == "push_job")
    await store.close()


async def test_after_an_erasure_there_is_nothing_to_export(path: Path) -> None:
    store = SQLiteStore(str(path))
    await store.open()
    await plant(store)
    await Work().go_on(store)
    lines = [line async for line in export_user(store, USER, now_ms=5)]
    assert len(lines) == 1
    await store.close()


async def test_who_is_to_be_erased_is_signed_out_and_one_export_runs_at_a_time() -> None:
    async with chat_parts() as parts:
        eraser = Eraser(
            parts.store,
            forget=parts.stage.forget,
            recount=lambda channel, ref: parts.stage.forget(channel),
            feeds=lambda user: (),
            push=PushErasure(parts.store, pushes=lambda _: True, now_ms=now_ms),
        )
        law = Law(parts.store, parts.clock, eraser, sign_out=parts.stage.sign_out)
        export = await law.export(caller("ada"), ExportParams("ada"))
        assert json.loads(await anext(export))["type"] == "export"
        with pytest.raises(CommandRefused) as refused:
            await law.export(caller("root", "admin"), ExportParams("ada"))
        assert refused.value.error.code == 111
        await export.aclose()
        lines = [line async for line in await law.export(caller("ada"), ExportParams("ada"))]
        assert lines[-1] == b'{"type":"end"}\n'
        begun = await law.erase(caller("ada"), EraseParams("ada"))
        assert (await law.erase(caller("ada"), EraseParams("ada"))).erasure == begun.erasure
        assert parts.stage.signed_out == ["ada", "ada"]
        with pytest.raises(CommandRefused):
            await law.erase(caller("bob"), EraseParams("ada"))
        await law.work()
        done = await law.erasure(caller("bob"), ErasureParams(begun.erasure))
        assert done.done
        assert (await law.erase(caller("ada"), EraseParams("ada"))).erasure != begun.erasure
