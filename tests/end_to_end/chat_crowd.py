"""Users who do anything in the same rooms at the same time, each on two nodes, and a recount.

What somebody has read is known from what they were answered; everything else is counted in the raw
log, by code that has nothing of the service in it.
"""

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from realtime.model import Entry, Retention
from realtime.stores.mongo import MongoStore
from tests.support.chat_model import Model
from tests.support.chat_users import Refusal, SocketUser

RETRIES_MAX: Final = 20
RETRY_S: Final = 0.2

EXPECTED: Final = {103, 404, 409, 410, 422, 423}
"""What somebody may be told who does anything: not in the room any more, the message is gone, who
is mentioned is no member."""

_ACTS: Final[Mapping[str, int]] = {
    "send": 30,
    "mention": 10,
    "reply": 8,
    "reply to both": 6,
    "edit": 6,
    "delete": 10,
    "react": 3,
    "read": 14,
    "read some": 6,
    "delivered": 4,
    "unread": 4,
    "leave": 3,
    "join": 6,
    "kick": 2,
    "invite": 3,
    "sync": 6,
}
"""What they do, and how often."""


@dataclass
class Person:
    """A user with a connection to every node; what they do next they do through any of them."""

    name: str
    nodes: Sequence[SocketUser]
    luck: random.Random
    read: dict[str, int] = field(default_factory=dict)
    marked: dict[str, bool] = field(default_factory=dict)
    refused: int = 0
    unanswered: int = 0
    done: int = 0
    _numbers: int = 0

    def fresh_id(self) -> str:
        """A client id of their own."""
        self._numbers += 1
        return f"{self.name}-{self._numbers}"

    async def call(self, method: str, /, **params: Any) -> Any:
        """Call through any node, and again while the outcome is not known; None if refused."""
        for _ in range(RETRIES_MAX):
            try:
                answer = await self.luck.choice(self.nodes).call(method, **params)
            except TimeoutError:
                self.unanswered += 1
                continue
            except Refusal as refused:
                if refused.code == 100:
                    await asyncio.sleep(RETRY_S)
                    continue
                assert refused.code in EXPECTED, (method, params, refused)
                self.refused += 1
                return None
            self.done += 1
            return answer
        raise AssertionError(f"{method} was not answered")

    def has_read(self, channel: str, answer: Any) -> None:
        """The read marker is at what was answered, or further."""
        if answer is not None:
            self.read[channel] = max(self.read.get(channel, 0), answer["offset"])


@dataclass
class Crowd:
    """All of them, and the rooms and direct channels that they are in."""

    people: Sequence[Person]
    rooms: Sequence[str]
    directs: Mapping[str, frozenset[str]]
    luck: random.Random

    async def act(self, operations: int) -> None:
        """So many operations, by everybody at once."""
        async with asyncio.TaskGroup() as tasks:
            for person in self.people:
                share = operations // len(self.people)
                tasks.create_task(self._go_on(person, share), name=person.name)

    async def _go_on(self, person: Person, operations: int) -> None:
        names, weights = list(_ACTS), list(_ACTS.values())
        for act in person.luck.choices(names, weights, k=operations):
            mine = [channel for channel, users in self.directs.items() if person.name in users]
            channel = person.luck.choice([*self.rooms, *mine])
            await self._do(person, act, channel)

    async def _do(self, person: Person, act: str, channel: str) -> None:
        here = {"channel": channel}
        match act:
            case "send" | "mention" | "reply" | "reply to both":
                await self._say(person, act, channel)
            case "edit" | "delete" | "react":
                await self._change(person, act, channel)
            case "read" | "delivered":
                answer = await person.call(f"chat.{act}", **here)
                if act == "read" and answer is not None:
                    person.has_read(channel, answer)
                    person.marked[channel] = False
            case "read some":
                answer = await person.call("chat.read", offset=person.luck.randint(1, 60), **here)
                if answer is not None:
                    person.has_read(channel, answer)
                    person.marked[channel] = False
            case "unread":
                if await person.call("chat.unread", **here) is not None:
                    person.marked[channel] = True
            case "leave" | "join":
                await person.call(f"chat.{act}", client_id=person.fresh_id(), **here)
            case "kick" | "invite":
                other = person.luck.choice(self.people).name
                who = {"user": other} if act == "kick" else {"users": [{"user": other}]}
                await person.call(f"chat.{act}", client_id=person.fresh_id(), **here, **who)
            case "sync":
                await person.call("chat.sync")

    async def _say(self, person: Person, act: str, channel: str) -> None:
        params: dict[str, Any] = {"channel": channel, "client_id": person.fresh_id()}
        params["data"] = {"text": f"{act} of {params['client_id']}"}
        if act == "mention":
            others = [other.name for other in self.people]
            params["mentions"] = person.luck.sample(others, person.luck.randint(1, 3))
        elif act.startswith("reply"):
            params["reply_to"] = person.luck.randint(1, 60)
            params["also_to_channel"] = act == "reply to both"
        answer = await person.call("chat.send", **params)
        if act != "reply":
            person.has_read(channel, answer)

    async def _change(self, person: Person, act: str, channel: str) -> None:
        page = await person.call("chat.history", channel=channel, limit=20)
        if not page or not page["messages"]:
            return
        message = person.luck.choice(page["messages"])
        params = {"channel": channel, "offset": message["offset"], "client_id": person.fresh_id()}
        if act == "edit":
            other = person.luck.choice(self.people).name
            params |= {"data": {"text": "edited"}, "mentions": [other]}
        elif act == "react":
            params["emoji"] = person.luck.choice("abc")
        await person.call(f"chat.{act}", **params)


@dataclass(frozen=True)
class Count:
    """What somebody is to be shown of a channel."""

    unread: int
    mentions: int
    head: int
    n: int


async def logs_of(store: MongoStore, channels: Sequence[str]) -> dict[str, Sequence[Entry]]:
    """Every entry of these channels, as the store has it."""
    logs: dict[str, Sequence[Entry]] = {}
    for channel in channels:
        page = await store.read(channel, limit=100_000, retention=Retention(-1, 0), now_ms=0)
        assert [entry.offset for entry in page.entries] == list(range(1, page.head + 1))
        logs[channel] = page.entries
    return logs


def recount(person: Person, crowd: Crowd, logs: Mapping[str, Sequence[Entry]]) -> dict[str, Count]:
    """What is unread for somebody in each channel that they are in, entry by entry."""
    counts = {}
    for channel, entries in logs.items():
        came = _came_at(person.name, channel, crowd, entries)
        if came is None:
            continue
        read = max(came, person.read.get(channel, 0))
        fresh = [e for e in entries if e.offset > read and e.kind == "message" and not e.deleted_at]
        assert all(entry.counts is _counts(entry) for entry in fresh)
        unread = sum(entry.counts for entry in fresh)
        mentions = sum(person.name in _mentions(entry) for entry in fresh)
        marked = person.marked.get(channel, False)
        counts[channel] = Count(
            max(unread, int(marked)),
            mentions,
            entries[-1].offset,
            sum(entry.counts for entry in entries),
        )
    return counts


def _counts(entry: Entry) -> bool:
    return not entry.ref or (entry.tags or {}).get("also") == "1"


def _mentions(entry: Entry) -> list[str]:
    found: list[str] = json.loads((entry.tags or {}).get("mentions", "[]"))
    return found


def _came_at(user: str, channel: str, crowd: Crowd, entries: Sequence[Entry]) -> int | None:
    """At which entry somebody came who is there at the end."""
    if channel in crowd.directs:
        return 1 if user in crowd.directs[channel] else None
    model, came = Model(), 0
    for entry in entries:
        if entry.kind in ("member", "channel"):
            before = model.is_member(user)
            model.apply(entry)
            came = entry.offset if model.is_member(user) and not before else came
    return came if model.is_member(user) else None
