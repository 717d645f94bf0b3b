"""The part of chat that messages are, in rooms that are written straight into the store."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.calls import messages as calls
from realtime.chat.channel_events import ChannelSettings
from realtime.chat.contents import Contents
from realtime.chat.hooks import Hook
from realtime.chat.messages import Messages
from realtime.chat.operations import Written
from realtime.errors import CallRefused
from realtime.model import Entry, NewEntry
from realtime.rows import BLOCKS, CHANNELS, MEMBERS
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Appended, Conflict, Write
from tests.support.chat import ChatParts, caller, chat_parts

ROOM = "room:one"
DIRECT = "room:two"
DATA_MAX_BYTES = 1_000

encode = msgspec.json.Encoder().encode


@dataclass
class MessageParts:
    """Messages, and what a test does with them. Users are named; calls number themselves."""

    parts: ChatParts
    messages: Messages
    made: int = 0

    async def room(
        self, users: Sequence[str] = (), *, settings: ChannelSettings | None = None, **roles: str
    ) -> None:
        """The room with these members, and `users` with no role but that."""
        roles |= dict.fromkeys(users, "member")
        await self.parts.store.write(
            [
                Write(
                    CHANNELS,
                    (ROOM,),
                    set={
                        "kind": "room",
                        "settings": encode(settings or ChannelSettings()),
                        "members": len(roles),
                    },
                ),
                *(Write(MEMBERS, (ROOM, user), set={"role": role}) for user, role in roles.items()),
            ]
        )
        self.forget()

    async def direct(self, one: str, other: str) -> None:
        """A direct channel of the two."""
        row = {"kind": "direct", "created_by": one, "peer": other}
        await self.parts.store.write([Write(CHANNELS, (DIRECT,), set=row)])
        await self.member(one, DIRECT)
        await self.member(other, DIRECT)

    async def member(self, user: str, channel: str = ROOM, **row: Any) -> None:
        """Change what a user is."""
        await self.parts.store.write(
            [Write(MEMBERS, (channel, user), set={"role": "member"} | row)]
        )
        self.forget()

    async def change_room(self, **row: Any) -> None:
        """Change the room's row."""
        await self.parts.store.write([Write(CHANNELS, (ROOM,), set=row)])
        self.forget()

    async def block(self, user: str, blocked: str) -> None:
        """Have a user block another."""
        await self.parts.store.write([Write(BLOCKS, (user, blocked), set={"at": 1})])
        self.forget()

    def forget(self) -> None:
        """What nodes keep for a second is over."""
        self.parts.clock.now_ms += 2_000

    async def call(self, name: str, user: str | Caller, **params: Any) -> Any:
        """Call an operation as the service does, with the parameters as JSON would have them."""
        operation = next(one for one in calls.OPERATIONS if one.name == name)
        names = {field.encode_name for field in msgspec.structs.fields(operation.params)}
        params.setdefault("channel", ROOM)
        if "client_id" in names and "client_id" not in params:
            self.made += 1
            params["client_id"] = f"call-{self.made}"
        decoded = msgspec.json.decode(encode(params), type=operation.params)
        who = user if isinstance(user, Caller) else caller(user)
        return await self.messages.operations[name](who, decoded)

    async def send(self, user: str, data: Any = "hello", **params: Any) -> calls.Sent:
        """Send a message."""
        sent = await self.call("chat.send", user, data=data, **params)
        assert isinstance(sent, calls.Sent)
        return sent

    async def edit(self, user: str, offset: int, data: Any, **params: Any) -> Written:
        """Edit one."""
        written = await self.call("chat.edit", user, offset=offset, data=data, **params)
        assert isinstance(written, Written)
        return written

    async def delete(self, user: str, offset: int, **params: Any) -> Written:
        """Delete one."""
        written = await self.call("chat.delete", user, offset=offset, **params)
        assert isinstance(written, Written)
        return written

    async def react(self, user: str, offset: int, emoji: str, **params: Any) -> Written:
        """React to one."""
        written = await self.call("chat.react", user, offset=offset, emoji=emoji, **params)
        assert isinstance(written, Written)
        return written

    async def publish(
        self, user: str | Caller, data: bytes = b'"hi"', channel: str = ROOM
    ) -> Appended | Conflict:
        """A plain publish, as the hub does it."""
        who = user if isinstance(user, Caller) else caller(user)
        prepared = self.messages.sending.prepare(who, channel, data)
        entry = prepared if isinstance(prepared, NewEntry) else await prepared
        return await self.parts.stage.append(entry)

    async def view(self, offset: int, user: str = "ann", channel: str = ROOM) -> Any:
        """A message as a user gets it, without what is absent."""
        view = await self.call("chat.message", user, offset=offset, channel=channel)
        return msgspec.json.decode(encode(view))

    async def history(self, user: str = "ann", /, **params: Any) -> calls.MessagePage:
        """A page of the history."""
        page = await self.call("chat.history", user, **params)
        assert isinstance(page, calls.MessagePage)
        return page

    async def log(self, channel: str = ROOM) -> Sequence[Entry]:
        """Every entry, as the store has it."""
        return await self.parts.store.missed({channel: 0}, limit=10_000)


@asynccontextmanager
async def message_parts(
    *, hook: Hook | None = None, **namespaces: ChannelOptions
) -> AsyncIterator[MessageParts]:
    """Messages over an empty store, with room ROOM: ann owns it, bob and cid are members."""
    async with chat_parts(None, **namespaces) as parts:
        contents = Contents(data_max_bytes=DATA_MAX_BYTES, hook=hook)
        blocks = Blocks(parts.around)
        messages = Messages(parts.around, parts.memberships.rooms, blocks=blocks, contents=contents)
        made = MessageParts(parts, messages)
        await made.room(ann="owner", bob="member", cid="member")
        yield made


def texts(page: calls.MessagePage) -> list[Any]:
    """The data of the messages on a page."""
    return [msgspec.json.decode(view.data) for view in page.messages]


async def refused(call: Awaitable[Any]) -> CallRefused:
    """What the call is refused with."""
    with pytest.raises(CallRefused) as caught:
        await call
    return caught.value
