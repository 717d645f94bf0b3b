"""Rooms with somebody of every kind, and what each of them is answered on every path."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token

NAMESPACES: Final[Mapping[str, Mapping[str, Any]]] = {
    # Everything for members.
    "room": {
        "history_size": -1,
        "presence": True,
        "chat": "room",
        "create": ["user"],
        "subscribe": ["member"],
        "publish": ["member"],
        "read_history": ["member"],
        "read_presence": ["member"],
    },
    # For every user to look on, and for members to speak in.
    "stage": {
        "history_size": -1,
        "presence": True,
        "chat": "room",
        "create": ["user"],
        "subscribe": ["user"],
        "publish": ["member"],
        "read_history": ["user"],
        "read_presence": ["user"],
    },
}

CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "namespaces": NAMESPACES,
    "auth": {"anonymous": True},
}

EVERYONE: Final = (
    *("owner", "moderator", "member", "reader", "admin"),
    *("left", "kicked", "banned", "stranger", "guest"),
)
"""What somebody is in a room, which is also how they are called there."""

PATHS: Final = (
    *("subscribe", "recovery", "publish", "history", "presence", "presence_stats"),
    *("connect", "connect with recovery"),
)
"""Ways to get something of a room, or into it."""

_NUMBERS: Final = itertools.count(1)


@dataclass(slots=True)
class House:
    """One room; `api` is where it was made, and where its people are let in and put out."""

    channel: str
    name: str
    api: ServerApi
    tokens: dict[str, str] = field(default_factory=dict)

    def user(self, who: str) -> str:
        """The user id of somebody; "" for a guest."""
        return "" if who == "guest" else f"{who}-{self.name}"

    def token(self, who: str) -> str:
        """Their token, always the same; "" for a guest."""
        if who == "guest":
            return ""
        if who not in self.tokens:
            role = "admin" if who == "admin" else "user"
            self.tokens[who] = connection_token(self.user(who), role=role)
        return self.tokens[who]

    async def call(self, method: str, *, by: str = "owner", **params: Any) -> Any:
        """Perform an operation as the app's backend, on behalf of somebody. Raises ApiError."""
        answer = await self.api.call("rpc", method=method, params=params, user=self.user(by))
        return answer["data"]

    async def act(self, act: str, who: str, **params: Any) -> None:
        """Have the owner do something to somebody, or somebody leave. Raises ApiError."""
        params |= {"channel": self.channel, "client_id": f"act-{next(_NUMBERS)}"}
        if act in ("leave", "join"):
            await self.call(f"chat.{act}", by=who, **params)
        else:
            await self.call(f"chat.{act}", user=self.user(who), **params)

    async def speak(self, text: str) -> None:
        """Say something as the app."""
        await self.api.call("publish", channel=self.channel, data={"text": text})


async def build(api: ServerApi, name: str, namespace: str = "room") -> House:
    """Make a room with everybody in it, as they are called; nobody has gone yet."""
    house = House("", name, api)
    roles = {"moderator": "moderator", "reader": "reader"}
    inside = [who for who in EVERYONE if who not in ("owner", "stranger", "guest", "admin")]
    members = [{"user": house.user(who), "role": roles.get(who, "member")} for who in inside]
    made = await house.call(
        "chat.create", namespace=namespace, client_id="made", id=name, members=members
    )
    assert "left_out" not in made, made
    house.channel = made["channel"]
    assert house.channel == f"{namespace}:{name}"
    await house.speak("welcome")
    return house


async def empty(house: House) -> None:
    """Have those go who are called after how they went."""
    async with asyncio.TaskGroup() as tasks:
        for act, who in (("leave", "left"), ("kick", "kicked"), ("ban", "banned")):
            tasks.create_task(house.act(act, who))


async def verdict(house: House, who: str, path: str, url: str) -> int:
    """The code that somebody who has just connected is answered with on a path; 0 is allowed.

    Where a connect leaves the room out, that is a 103 too.
    """
    async with open_client(url) as client:
        if path.startswith("connect"):
            position = {"recover": True, "offset": 0} if "recovery" in path else {}
            reply = await client.connect(house.token(who), subs={house.channel: position})
            return 0 if house.channel in reply["connect"].get("subs", {}) else 103
        assert "connect" in await client.connect(house.token(who))
        return await ask(client, house.channel, path)


async def ask(client: AttentiveClient, channel: str, path: str) -> int:
    """The code that a connected client is answered with; 0 is allowed."""
    fields: dict[str, Any] = {"channel": channel}
    if path == "recovery":
        return await client.error("subscribe", recover=True, offset=0, **fields)
    if path == "publish":
        fields["data"] = {"text": "hi"}
    elif path == "history":
        fields["limit"] = 5
    return await client.error(path, **fields)
