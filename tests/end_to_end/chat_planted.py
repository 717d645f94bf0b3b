"""Somebody who leaves traces wherever a user can, and what must be nowhere once they are erased."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.support.chat_users import SocketUser, socket_user
from tests.support.processes import HubProcess

USER: Final = "planted-4c1d"
"""Who is erased. No other text here has this in it."""

TALKED_IN: Final = 40
"""Rooms in which they have said something, so that an erasure takes a while."""

SAID_IN_EACH: Final = 12

_TEXTS: Final = (
    *("message", "wording", "rewording", "regret", "reply", "post", "repost", "whisper", "import"),
    *("complaint", "name", "avatar", "custom", "info", "mention", "private"),
)

TEXTS: Final[Mapping[str, str]] = {text: f"sown-{text}-9e2b" for text in _TEXTS}
"""What they have written, and where."""

PLANTED: Final[Mapping[str, bytes]] = {
    "the id": USER.encode(),
    **{text: planted.encode() for text, planted in TEXTS.items()},
}


def said(text: str) -> dict[str, str]:
    """A message with a planted text."""
    return {"text": TEXTS[text]}


def lines() -> Iterator[str]:
    """For an import: many rooms in which they and a friend talk, in turn."""
    for room in range(TALKED_IN):
        channel = f"room:talk-{room:02}"
        yield json.dumps(
            {
                "type": "channel",
                "channel": channel,
                "owner": "friend",
                "members": [{"user": USER}, {"user": "other"}],
            }
        )
        for number in range(SAID_IN_EACH):
            user = USER if number % 2 else "friend"
            data = said("import") if number % 2 else {"text": f"of a friend, {number}"}
            yield json.dumps(
                {
                    "type": "message",
                    "channel": channel,
                    "id": f"{room}-{number}",
                    "user": user,
                    "at": 1_700_000_000_000 + number,
                    "data": data,
                }
            )


@dataclass
class Garden:
    """A room, a direct channel and a feed that the planted user has left traces in."""

    planted: SocketUser
    friend: SocketUser
    other: SocketUser
    room: str = ""
    direct: str = ""

    async def sow(self) -> None:
        """Leave a trace wherever it can be."""
        await self._talk()
        await self._be_talked_about()
        await self._write_to_a_friend()
        await self._post()
        await self.planted.call(
            "user.update",
            user=USER,
            client_id="profile",
            avatar=f"https://example.com/{TEXTS['avatar']}.png",
            custom=said("custom"),
            name=TEXTS["name"],
        )
        await self.planted.call("user.block", user="enemy")
        await self.other.call("presence.watch", users=[USER])
        await self.planted.call("presence.set", state="away")

    async def _talk(self) -> None:
        owner = self.friend
        made = await owner.call(
            "chat.create",
            namespace="room",
            client_id="garden",
            id="garden",
            members=[{"user": USER, "role": "moderator"}, {"user": "other"}],
        )
        self.room = made["channel"]
        here = {"channel": self.room}
        for number, text in enumerate(("message", "wording", "regret")):
            await self.planted.call("chat.send", client_id=f"s{number}", data=said(text), **here)
        edit = {"client_id": "e1", "offset": 3, "data": said("rewording"), **here}
        await self.planted.call("chat.edit", **edit)
        await self.planted.call(
            "chat.edit", **(edit | {"client_id": "e2", "data": {"text": "tame"}})
        )
        await self.planted.call("chat.delete", client_id="d1", offset=4, **here)
        await self.friend.call("chat.send", client_id="f1", data={"text": "thanks"}, **here)
        offset = (await self.friend.call("chat.history", **here))["head"]
        await self.planted.call(
            "chat.send", client_id="r1", data=said("reply"), reply_to=offset, **here
        )
        await self.planted.call("chat.react", client_id="x1", offset=offset, emoji="x", **here)
        await self.planted.call("chat.pin", client_id="p1", offset=offset, **here)
        await self.planted.call("chat.read", **here)
        await self.planted.call("chat.typing", **here)

    async def _be_talked_about(self) -> None:
        here = {"channel": self.room}
        await self.friend.call(
            "chat.send", client_id="m1", data={"text": "you there"}, mentions=[USER], **here
        )
        await self.planted.call(
            "chat.send", client_id="m2", data=said("mention"), mentions=["friend"], **here
        )
        await self.friend.call("chat.mute", client_id="mute", user=USER, **here)
        await self.friend.call("chat.unmute", client_id="unmute", user=USER, **here)
        await self.planted.call("chat.kick", client_id="k1", user="other", **here)
        await self.planted.call("chat.invite", client_id="i1", users=[{"user": "other"}], **here)
        await self.planted.call(
            "chat.report",
            client_id="rep1",
            offset=2,
            reason="spam",
            text=TEXTS["complaint"],
            **here,
        )
        await self.other.call("chat.report", client_id="rep2", offset=2, reason="abuse", **here)

    async def _write_to_a_friend(self) -> None:
        made = await self.planted.call("chat.direct", namespace="room", user="friend")
        self.direct = made["channel"]
        here = {"channel": self.direct}
        await self.planted.call("chat.send", client_id="w1", data=said("whisper"), **here)
        await self.friend.call("chat.send", client_id="w2", data={"text": "I keep it"}, **here)
        await self.planted.call("chat.send", client_id="w3", data=said("private"), **here)

    async def _post(self) -> None:
        feed = {"namespace": "feed"}
        await self.friend.call("feed.follow", author=USER, **feed)
        await self.planted.call("feed.follow", author="friend", **feed)
        await self.planted.call("feed.post", client_id="p1", data=said("post"), **feed)
        edit = {"author": USER, "offset": 1, "client_id": "p2", **feed}
        await self.planted.call("feed.edit", data=said("repost"), **edit)
        await self.friend.call(
            "feed.react", author=USER, offset=1, emoji="x", client_id="p3", **feed
        )
        await self.friend.call("feed.post", client_id="p4", data={"text": "of a friend"}, **feed)
        await self.planted.call(
            "feed.react", author="friend", offset=1, emoji="y", client_id="p5", **feed
        )


@contextlib.asynccontextmanager
async def _garden(hub: HubProcess) -> AsyncIterator[Garden]:
    async with contextlib.AsyncExitStack() as stack:
        planted, friend, other = [
            await stack.enter_async_context(socket_user(hub.websocket_url, name, **claims))
            for name, claims in (
                (USER, {"info": {"motto": TEXTS["info"]}}),
                ("friend", {}),
                ("other", {}),
            )
        ]
        yield Garden(planted, friend, other)


async def sow(hub: HubProcess) -> Garden:
    """Leave a trace of the user wherever a user leaves one; they are gone afterwards."""
    async with asyncio.timeout(50), _garden(hub) as garden:
        await garden.sow()
    return garden
