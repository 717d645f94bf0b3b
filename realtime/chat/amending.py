"""Changing messages and posts: each change is an entry, and the message then shows what it says.

Who may is for the caller to say (`Admit`). The order is the same everywhere: whoever may not come
in learns nothing; then there must be such a message, and it must not be deleted; then comes what
the message itself decides. An earlier try of the same call is answered whatever holds by then.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.messages import EMOJIS_MAX, OWN_EMOJIS_MAX
from realtime.chat.contents import Contents
from realtime.chat.hooks import Question
from realtime.chat.ledger import digest
from realtime.chat.log_reader import LogReader
from realtime.chat.mentions import Mentions, mention_tag
from realtime.chat.operations import Written
from realtime.chat.refusals import deleted
from realtime.chat.rights import Admit
from realtime.chat.views import summary_of
from realtime.errors import LIMIT_EXCEEDED, CallRefused
from realtime.model import Entry, Kind, NewEntry
from realtime.rows import REACTIONS
from realtime.stores.base import Span
from realtime.stores.base.folding import BLANK

_encode: Final = msgspec.json.Encoder().encode


class ReactionEvent(msgspec.Struct, frozen=True):
    """The data of a `reaction` entry."""

    emoji: str
    shown: bool


class PinEvent(msgspec.Struct, frozen=True):
    """The data of a `pin` entry."""

    pinned: bool


class Amending:
    """Edits, deletes, reactions and pins, in rooms and in feeds.

    Every method raises CommandRefused: what `admit` and its judge raise, 100, 404 and 410 of the
    message, 409; and StoreError.
    """

    def __init__(self, around: Around, *, contents: Contents) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._ledger = around.ledger
        self._contents = contents
        self._reader = LogReader(around)
        self._mentions = Mentions(around.store)

    async def edit(
        self,
        caller: Caller,
        channel: str,
        offset: int,
        *,
        client_id: str,
        data: msgspec.Raw,
        mentions: tuple[str, ...] = (),
        admit: Admit,
    ) -> Written:
        """Put `data` and `mentions` in the place of what a message has.

        Raises also 413, 422, and 103 where the app's own check refuses (why=refused_by_hook).
        """
        options = self._stage.options(channel)
        read = self._contents.read(data, options)
        tag = mention_tag(mentions)
        event = self._event(
            caller,
            "edit",
            channel,
            offset,
            client_id,
            read,
            tags=tag,
            command=(read, tag.get("mentions", "").encode()),
        )

        async def allowed() -> NewEntry:
            await self._target(channel, offset, admit)
            await self._mentions.check(channel, mentions)
            question = Question(
                "edit",
                channel,
                caller.user,
                msgspec.Raw(read),
                client_id,
                offset,
                list(mentions),
            )
            stored = await self._contents.ask(caller, question, options)
            if self._contents.has_hook:
                # Until the answer came the message, or who edits it, may have been removed.
                await self._target(channel, offset, admit)
            return msgspec.structs.replace(event, data=stored)

        return await self._ledger.attempt(event, allowed())

    async def delete(
        self, caller: Caller, channel: str, offset: int, *, client_id: str, admit: Admit
    ) -> Written:
        """Take a message back, for everyone. Its offset and its n stay."""
        event = self._event(caller, "delete", channel, offset, client_id, BLANK)
        return await self._ledger.attempt(event, self._target(channel, offset, admit))

    async def react(
        self,
        caller: Caller,
        channel: str,
        offset: int,
        *,
        emoji: str,
        shown: bool,
        client_id: str,
        admit: Admit,
    ) -> Written:
        """Give a reaction, or take it back. Raises also 106: see EMOJIS_MAX, OWN_EMOJIS_MAX."""
        data = _encode(ReactionEvent(emoji, shown))
        event = self._event(caller, "reaction", channel, offset, client_id, data)

        async def allowed() -> None:
            message = await self._target(channel, offset, admit)
            reactions = summary_of(message).reactions
            if emoji not in reactions:
                if shown and len(reactions) >= EMOJIS_MAX:
                    raise CallRefused(LIMIT_EXCEEDED, why="full")
                await self._refuse_another(caller.user, channel, offset, emoji)

        return await self._ledger.attempt(event, allowed())

    async def pin(
        self,
        caller: Caller,
        channel: str,
        offset: int,
        *,
        pinned: bool,
        client_id: str,
        admit: Admit,
        room_for: Callable[[], Awaitable[None]],
    ) -> Written:
        """Pin a message, or not any more. `room_for` refuses where no more can be pinned."""
        event = self._event(caller, "pin", channel, offset, client_id, _encode(PinEvent(pinned)))

        async def allowed() -> None:
            await self._target(channel, offset, admit)
            if pinned:
                await room_for()

        return await self._ledger.attempt(event, allowed())

    async def _refuse_another(self, user: str, channel: str, offset: int, emoji: str) -> None:
        """What was taken back leaves a row: nobody is to fill a message's with them."""
        rows = await self._store.find(
            REACTIONS,
            Span((user, channel, offset)),
            by=("user", "channel", "ref"),
            limit=OWN_EMOJIS_MAX,
        )
        if len(rows) >= OWN_EMOJIS_MAX and all(row.emoji != emoji for row in rows):
            raise CallRefused(LIMIT_EXCEEDED, why="full")

    async def _target(self, channel: str, offset: int, admit: Admit) -> Entry:
        """The message that is to be changed, by somebody who may."""
        judge = await admit()
        message = await self._reader.message(channel, offset)
        if message.deleted_at:
            raise deleted()
        judge(message)
        return message

    def _event(
        self,
        caller: Caller,
        kind: Kind,
        channel: str,
        ref: int,
        client_id: str,
        data: bytes,
        *,
        tags: dict[str, str] | None = None,
        command: tuple[bytes, ...] = (),
    ) -> NewEntry:
        """`command`: what tells this call from others under the same `client_id`, if not `data`."""
        values: dict[str, Any] = {"kind": kind, "ref": str(ref)}
        return NewEntry(
            channel,
            caller.sender,
            client_id,
            data,
            self._clock.wall_ms(),
            kind=kind,
            digest=digest(kind, ref, *(command or (data,))),
            ref=ref,
            info=caller.info,
            tags=values | (tags or {}),
            pending=True,
        )
