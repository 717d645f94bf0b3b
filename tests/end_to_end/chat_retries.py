"""Writes of every kind, each in a room of its own, and what may happen before one is retried."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from realtime.chat.table import ALL
from tests.support.chat_users import Refusal, User
from tests.support.permission_matrix import PARAMS, ROOM

WRITES: Final = tuple(
    operation for operation in ALL if "client_id" in operation.params.__struct_fields__
)
"""Every operation that says which try it is."""

BY: Final[Mapping[str, str]] = {"moderator": "moderator", "owner": "owner"}
"""Who calls an operation that is for these; a member does, if nothing is said."""

CALLED_BY: Final[Mapping[str, str]] = {"chat.join": "stranger"}

FIRST: Final[Mapping[str, Sequence[tuple[str, str, Mapping[str, Any]]]]] = {
    "chat.unarchive": [("owner", "chat.archive", {})],
    "chat.unmute": [("owner", "chat.mute", {"user": "target"})],
    "chat.unreact": [("member", "chat.react", {"offset": 2, "emoji": "x"})],
    "chat.unpin": [("owner", "chat.pin", {"offset": 2})],
    "feed.unreact": [("member", "feed.react", {"offset": 1, "emoji": "x"})],
}
"""What has to be so for an operation to come to something, and who does that."""

UNDONE: Final[Mapping[str, Sequence[tuple[str, str, Mapping[str, Any]]]]] = {
    "chat.update": [("owner", "chat.update", {"title": "Newer"})],
    "chat.archive": [("owner", "chat.unarchive", {})],
    "chat.unarchive": [("owner", "chat.archive", {})],
    "chat.join": [("stranger", "chat.leave", {})],
    "chat.leave": [("member", "chat.join", {})],
    "chat.invite": [("owner", "chat.kick", {"user": "newcomer"})],
    "chat.kick": [("target", "chat.join", {})],
    "chat.ban": [("owner", "chat.unban", {"user": "target"})],
    "chat.unban": [("owner", "chat.ban", {"user": "banned"})],
    "chat.mute": [("owner", "chat.unmute", {"user": "target"})],
    "chat.unmute": [("owner", "chat.mute", {"user": "target"})],
    "chat.role": [("owner", "chat.role", {"user": "target", "role": "member"})],
    "chat.transfer": [("target", "chat.transfer", {"user": "owner"})],
    "chat.edit": [("member", "chat.edit", {"offset": 2, "data": {"text": "newer"}})],
    "chat.react": [("member", "chat.unreact", {"offset": 2, "emoji": "x"})],
    "chat.unreact": [("member", "chat.react", {"offset": 2, "emoji": "x"})],
    "chat.pin": [("owner", "chat.unpin", {"offset": 2})],
    "chat.unpin": [("owner", "chat.pin", {"offset": 2})],
    "user.update": [("member", "user.update", {"user": "member", "name": "Newer"})],
    "feed.edit": [("member", "feed.edit", {"offset": 1, "data": {"text": "newer"}})],
    "feed.react": [("member", "feed.unreact", {"offset": 1, "emoji": "x"})],
    "feed.unreact": [("member", "feed.react", {"offset": 1, "emoji": "x"})],
}
"""What takes an operation back, so that a retry that does it again changes something."""

LATER: Final[Mapping[str, Sequence[tuple[str, str, Mapping[str, Any]]]]] = {
    "undone": [],
    "kicked": [("owner", "chat.kick", {"user": "CALLER"})],
    "banned": [("owner", "chat.ban", {"user": "CALLER"})],
    "muted": [("owner", "chat.mute", {"user": "CALLER"})],
    "archived": [("owner", "chat.archive", {})],
    "slow": [
        ("owner", "chat.update", {"settings": {"slow_mode_s": 3600, "announce": True}}),
        ("owner", "chat.update", {"settings": {"announce": False}}),
        ("member", "chat.send", {"data": {"text": "slowly"}}),
    ],
    "deleted": [
        ("member", "chat.delete", {"offset": 2}),
        ("member", "chat.delete", {"offset": "ANSWERED"}),
        ("member", "feed.delete", {"offset": 1}),
    ],
    "closed": [
        ("owner", "chat.update", {"settings": {"announce": True, "invites": "moderators"}}),
        ("owner", "chat.update", {"settings": {"closed": True, "accept": True}}),
    ],
    "transferred": [("owner", "chat.transfer", {"user": "target"})],
}
"""How the state may have moved on; what cannot be in a room is left out there."""

PEOPLE: Final = ("owner", "moderator", "member", "target", "banned", "stranger", "newcomer")


@dataclass
class Case:
    """One operation, and the room where it is called. `users` are by what they are in the room."""

    name: str
    users: Mapping[str, User]
    params: dict[str, Any] = field(default_factory=dict)
    channel: str = ""
    answer: Any = None
    done: int = 0
    _numbers: int = 0

    @property
    def caller(self) -> User:
        """Who performs the operation."""
        return self.users[self.called_by]

    @property
    def called_by(self) -> str:
        """What the caller is in the room."""
        (who,) = (operation.who for operation in WRITES if operation.name == self.name)
        return CALLED_BY.get(self.name) or BY.get(who, "member")

    async def furnish(self) -> None:
        """Make the room, its people, a message and a post."""
        owner, label = self.users["owner"], self.name.replace(".", "-").replace("_", "-")
        members = [
            {"user": self.users[role].name, "role": given}
            for role, given in (
                ("moderator", "moderator"),
                ("member", "member"),
                ("target", "member"),
            )
        ]
        made = await owner.call(
            "chat.create", namespace="room", id=label, client_id=label, members=members
        )
        self.channel = made["channel"]
        await self._act("member", "chat.send", {"data": {"text": "hello"}})
        await self._act("owner", "chat.ban", {"user": "banned"})
        await self._act("member", "feed.post", {"namespace": "feed", "data": {"text": "post"}})
        for who, method, params in FIRST.get(self.name, ()):
            await self._act(who, method, params)
        self.params = self._filled(self.name, PARAMS[self.name]) | {"client_id": "yesterday"}

    async def perform(self) -> None:
        """The first try."""
        self.answer = await self.caller.call(self.name, **self.params)
        if self.name == "chat.create":
            self.channel = self.answer["channel"]

    async def move_on(self, later: str) -> None:
        """Have the state move on; what cannot be is left out, and `done` counts the rest."""
        acts = LATER[later] or UNDONE.get(self.name, ())
        for who, method, params in acts:
            with contextlib.suppress(Refusal):
                await self._act(who, method, params)
                self.done += 1

    async def retry(self, by: User) -> Any:
        """What the caller is answered who tries again, by any face."""
        return await by.call(self.name, **self.params)

    async def _act(self, who: str, method: str, params: Mapping[str, Any]) -> None:
        self._numbers += 1
        filled = self._filled(method, params)
        await self.users[who].call(method, client_id=f"other-{self._numbers}", **filled)

    def _filled(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with this room's names in place of what stands for them."""
        filled = {key: self._named(key, value) for key, value in params.items()}
        if method.startswith("feed.") and method != "feed.post":
            filled |= {"namespace": "feed", "author": self.users["member"].name}
        if method.startswith("chat.") and method != "chat.create":
            filled["channel"] = self.channel
        return filled

    def _named(self, key: str, value: Any) -> Any:
        if value == "message":
            return 2
        if value == "ANSWERED":
            return self.answer.get("offset", 2)
        if value == ROOM:
            return self.channel
        if key == "user":
            return self.users[self.called_by if value == "CALLER" else value].name
        if key == "users":
            return [{"user": self.users[place["user"]].name} for place in value]
        return value


def same(answer: Any) -> Any:
    """An answer without what says that it was given before."""
    return {key: value for key, value in answer.items() if key != "duplicate"}
