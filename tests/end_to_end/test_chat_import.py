"""Moving in: a file of thousands of lines is imported once, in order, whatever kills the import."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.end_to_end.conftest import MakeHub
from tests.support.chat_users import CHANGES, SocketUser, socket_user
from tests.support.processes import HubProcess
from tests.support.raw_contents import sqlite_rows

USERS: Final = [f"user-{number:02}" for number in range(12)]
ROOMS: Final = [f"room:old-{number}" for number in range(5)]
MESSAGES: Final = 3_000
BEGAN_AT: Final = 1_600_000_000_000
SEED: Final = 11

KILLED_AFTER: Final = ("500 lines", "1500 lines", "2500 lines")
"""What the import has said when it is killed."""


@dataclass
class OldSystem:
    """What was said there, and the lines that say so."""

    luck: random.Random
    lines: list[dict[str, Any]] = field(default_factory=list)
    said: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    reactions: dict[tuple[str, str], dict[str, set[str]]] = field(default_factory=dict)

    def write(self) -> None:
        """Make everything up."""
        for user in USERS:
            self.lines.append({"type": "user", "user": user, "name": f"Name of {user}"})
        for room in ROOMS:
            members = [{"user": user} for user in USERS[1:]]
            self.lines.append(
                {"type": "channel", "channel": room, "owner": USERS[0], "members": members}
            )
        pair = {"namespace": "room", "users": USERS[:2]}
        self.lines.append({"type": "direct", **pair})
        for number in range(MESSAGES):
            self._say(number, {"channel": self.luck.choice(ROOMS)})
        for number in range(20):
            line = self._message(MESSAGES + number, pair, self.luck.choice(USERS[:2]))
            self.said["direct"].append(line)
        self.lines.append({"type": "block", "user": USERS[3], "blocked": USERS[4]})

    def _say(self, number: int, where: dict[str, Any]) -> None:
        room, user = where["channel"], self.luck.choice(USERS)
        line = self._message(number, where, user)
        roots = [other for other in self.said[room] if "reply_to" not in other]
        if roots and self.luck.random() < 0.1:
            root = self.luck.choice(roots)
            line["reply_to"] = {"id": root["id"], "user": root["user"]}
            line["also_to_channel"] = self.luck.random() < 0.5
        elif self.luck.random() < 0.1:
            line["mentions"] = [self.luck.choice(USERS)]
        self.said[room].append(line)
        if self.luck.random() < 0.1:
            target = self.luck.choice(self.said[room])
            by, emoji = self.luck.choice(USERS), self.luck.choice("abc")
            message = {"id": target["id"], "user": target["user"]}
            self.lines.append(
                {"type": "reaction", **where, "message": message, "user": by, "emoji": emoji}
            )
            given = self.reactions.setdefault((room, target["id"]), defaultdict(set))
            given[emoji].add(by)

    def _message(self, number: int, where: dict[str, Any], user: str) -> dict[str, Any]:
        line = {
            "type": "message",
            **where,
            "id": f"old-{number}",
            "user": user,
            "at": BEGAN_AT + number * 1_000,
            "data": {"text": f"message {number}"},
        }
        self.lines.append(line)
        return line

    def counted(self, room: str) -> list[dict[str, Any]]:
        """What is shown in the room itself."""
        return [
            line
            for line in self.said[room]
            if "reply_to" not in line or line.get("also_to_channel", False)
        ]


@pytest.fixture(scope="module")
def old() -> OldSystem:
    """A system to move out of."""
    old = OldSystem(random.Random(SEED))  # noqa: S311 - not a secret
    old.write()
    return old


def file_of(old: OldSystem, directory: Path) -> Path:
    """Its file."""
    path = directory / "old.jsonl"
    path.write_text("\n".join(map(json.dumps, old.lines)))
    return path


def imported(hub: HubProcess, path: Path) -> str:
    """Import a file to its end; what is said at last."""
    done = hub.command("import", str(path), timeout_s=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(180)
async def test_an_import_that_is_killed_goes_on_and_everything_is_there_once(
    make_hub: MakeHub, tmp_path: Path, old: OldSystem
) -> None:
    hub, path = make_hub(CHANGES), file_of(old, tmp_path)
    for said in KILLED_AFTER:
        offset = hub.log_bytes
        hub.launch_command("import", str(path))
        await asyncio.to_thread(hub.wait_for_log, said, offset, 40)
        hub.kill9()
    told = await asyncio.to_thread(imported, hub, path)
    assert told.startswith(f"imported {len(USERS)} users, {len(ROOMS) + 1} channels")
    await asyncio.to_thread(hub.start)
    async with socket_user(hub.websocket_url, USERS[1]) as user:
        await assert_all_is_there(user, old)
    for name in USERS:
        async with socket_user(hub.websocket_url, name) as user:
            await assert_read(user)
    await assert_served(hub, old)


async def assert_all_is_there(user: SocketUser, old: OldSystem) -> None:
    """Every room has what was said in it, once, in order, with everything that belongs to it."""
    synced = {channel["channel"]: channel for channel in (await user.call("chat.sync"))["channels"]}
    (direct,) = synced.keys() - set(ROOMS)
    for channel in synced:
        expected = old.counted(channel if channel in ROOMS else "direct")
        messages = [message async for message in history(user, channel)]
        assert [message["client_id"] for message in messages] == [line["id"] for line in expected]
        assert [message["n"] for message in messages] == list(range(1, len(expected) + 1))
        for message, line in zip(messages, expected, strict=True):
            assert (message["user"], message["at"]) == (line["user"], line["at"])
            assert message["data"] == line["data"]
            assert message.get("mentions", []) == line.get("mentions", [])
            given = old.reactions.get((channel, line["id"]), {})
            shown = {key: one["count"] for key, one in message.get("reactions", {}).items()}
            assert shown == {emoji: len(users) for emoji, users in given.items()}
    assert synced[direct]["user"] == USERS[0]
    await assert_threads(user, old, ROOMS[0])


async def assert_threads(user: SocketUser, old: OldSystem, room: str) -> None:
    """Replies are in the threads that they were in."""
    threads: dict[str, list[str]] = defaultdict(list)
    for line in old.said[room]:
        if "reply_to" in line:
            threads[line["reply_to"]["id"]].append(line["id"])
    assert threads
    roots = {message["client_id"]: message async for message in history(user, room)}
    for root, replies in threads.items():
        page = await user.call("chat.thread", channel=room, offset=roots[root]["offset"])
        assert [reply["client_id"] for reply in page["replies"]] == replies
        assert roots[root]["replies"] == len(replies)


async def history(user: SocketUser, channel: str) -> Any:
    """Every message of a channel."""
    after: int | None = 0
    while after is not None:
        page = await user.call("chat.history", channel=channel, limit=200, after=after)
        for message in page["messages"]:
            yield message
        after = page.get("newer")


async def assert_read(user: SocketUser) -> None:
    """Nothing of what was imported is unread."""
    synced = await user.call("chat.sync", badge="messages")
    assert len(synced["channels"]) == len(ROOMS) + (user.name in USERS[:2])
    assert [channel for channel in synced["channels"] if channel.get("unread", 0)] == []
    assert [channel for channel in synced["channels"] if channel.get("mentions", 0)] == []
    assert synced["badge"] == 0


async def assert_served(hub: HubProcess, old: OldSystem) -> None:
    """Life goes on in an old room; an old message is known by its old id."""
    room = ROOMS[0]
    async with (
        socket_user(hub.websocket_url, USERS[2]) as one,
        socket_user(hub.websocket_url, USERS[5]) as other,
    ):
        assert await other.client.error("subscribe", channel=room) == 0
        sent = await one.call("chat.send", channel=room, client_id="new", data={"text": "new"})
        assert sent["n"] == len(old.counted(room)) + 1
        await other.client.until(lambda: len(other.client.pushes("pub", room)) == 1)
        line = next(line for line in old.counted(room) if line["user"] == one.name)
        if "reply_to" not in line and "mentions" not in line:
            again = await one.call(
                "chat.send", channel=room, client_id=line["id"], data=line["data"]
            )
            assert again["duplicate"]
        (synced,) = [c for c in (await other.call("chat.sync"))["channels"] if c["channel"] == room]
        assert (synced["unread"], synced["last"]["data"]) == (1, {"text": "new"})
        profile = await other.call("user.get", user=one.name)
        assert profile["name"] == f"Name of {one.name}"


def lasting(rows: Any) -> Iterator[str]:
    """What must not change when everything is imported again: all but when that was."""
    for table, found in rows.items():
        for row in found:
            if table == "work":
                continue
            yield f"{table} { ({key: row[key] for key in row.keys() - {'changed_at', 'head_at'}}) }"


@pytest.mark.timeout(180)
async def test_what_is_imported_again_changes_nothing(
    make_hub: MakeHub, tmp_path: Path, old: OldSystem
) -> None:
    hub, path = make_hub(CHANGES), file_of(old, tmp_path)
    await asyncio.to_thread(imported, hub, path)
    before = sorted(lasting(sqlite_rows(hub.directory / "hub.db")))
    told = await asyncio.to_thread(imported, hub, path)
    assert f"{MESSAGES + 20} messages were there before" in told
    assert sorted(lasting(sqlite_rows(hub.directory / "hub.db"))) == before


async def test_a_line_that_cannot_be_imported_is_named_and_what_was_before_it_stays(
    make_hub: MakeHub, tmp_path: Path, old: OldSystem
) -> None:
    hub, path = make_hub(CHANGES), tmp_path / "old.jsonl"
    few = [json.dumps(line) for line in old.lines[:40]]
    secret = "not to be repeated"
    path.write_text("\n".join([*few, json.dumps({"type": "message", "text": secret})]))
    failed = await asyncio.to_thread(hub.command, "import", str(path))
    assert failed.returncode != 0
    assert "line 41" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert secret not in failed.stderr + failed.stdout
    path.write_text("\n".join(few))
    await asyncio.to_thread(imported, hub, path)
    ids = [row["client_id"] for row in sqlite_rows(hub.directory / "hub.db")["entries"]]
    assert ids.count("old-0") == 1
