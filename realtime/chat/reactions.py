"""Reactions to messages of rooms, and who gave them."""

import base64
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from realtime.chat.amending import Amending
from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.messages import React, Reacted, ReactionPage, Reactions
from realtime.chat.log_reader import LogReader
from realtime.chat.operations import Perform, Written
from realtime.chat.refusals import deleted, invalid, not_found
from realtime.chat.rights import Rights
from realtime.chat.rooms import Rooms
from realtime.chat.vision import Vision
from realtime.rows import REACTIONS, ReactionRow
from realtime.stores.base import Span, TableStore

_encode: Final = msgspec.json.Encoder().encode
_read_cursor: Final = msgspec.json.Decoder(tuple[str, str]).decode


class RoomReactions:
    """Performs `chat.react`, `chat.unreact` and `chat.reactions`."""

    def __init__(self, around: Around, rooms: Rooms, amending: Amending, rights: Rights) -> None:
        self._store = around.store
        self._amending = amending
        self._rights = rights
        self._vision = Vision(around, rooms)
        self._reader = LogReader(around)
        self.operations: Mapping[str, Perform] = {
            "chat.react": self.react,
            "chat.unreact": self.unreact,
            "chat.reactions": self.reactions,
        }

    async def react(self, caller: Caller, params: React) -> Written:
        """Give a reaction. Raises CommandRefused: see `Amending.react`, and StoreError."""
        return await self._say(caller, params, shown=True)

    async def unreact(self, caller: Caller, params: React) -> Written:
        """Take one back. Raises CommandRefused: see `Amending.react`, and StoreError."""
        return await self._say(caller, params, shown=False)

    async def reactions(self, caller: Caller, params: Reactions) -> ReactionPage:
        """Who reacted. Raises CommandRefused: 404, 410, 422, and StoreError."""
        sight = await self._vision.admit(caller, params.channel)
        message = await self._reader.message(params.channel, params.offset)
        if not sight.sees(message):
            raise not_found("offset")
        if message.deleted_at:
            raise deleted()
        return await reactions_page(self._store, params)

    async def _say(self, caller: Caller, params: React, *, shown: bool) -> Written:
        return await self._amending.react(
            caller,
            params.channel,
            params.offset,
            emoji=params.emoji,
            shown=shown,
            client_id=params.client_id,
            admit=self._rights.to("react", caller, params.channel),
        )


async def reactions_page(store: TableStore, params: Reactions) -> ReactionPage:
    """A page of who reacted to a message that is there to be seen. One read.

    Raises CallRefused: 422, and StoreError.
    """
    rows = await store.find(REACTIONS, *_spans(params), limit=params.limit + 1)
    page = rows[: params.limit]
    return ReactionPage(
        [Reacted(row.emoji, row.user) for row in page if row.shown],
        _cursor(page[-1]) if len(rows) > params.limit else "",
    )


def _spans(params: Reactions) -> Sequence[Span]:
    of_message = (params.channel, params.offset)
    if not params.cursor:
        return [Span(of_message if params.emoji is None else (*of_message, params.emoji))]
    try:
        emoji, user = _read_cursor(base64.urlsafe_b64decode(params.cursor))
    except ValueError:
        raise invalid("cursor") from None
    if params.emoji is not None:
        return [Span((*of_message, params.emoji), after=user)]
    return [Span((*of_message, emoji), after=user), Span(of_message, after=emoji)]


def _cursor(last: ReactionRow) -> str:
    return base64.urlsafe_b64encode(_encode((last.emoji, last.user))).decode()
