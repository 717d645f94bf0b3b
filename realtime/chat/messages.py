"""Messages of rooms: sending them, changing them, and all that is done with them."""

from collections.abc import Callable, Mapping

import msgspec

from realtime.chat.amending import Amending
from realtime.chat.around import Around
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.calls.messages import Delete, Edit, Send, Sent
from realtime.chat.contents import Contents
from realtime.chat.history import Histories
from realtime.chat.hooks import Question
from realtime.chat.ledger import digest
from realtime.chat.log_reader import LogReader
from realtime.chat.mentions import Mentions, mention_tag
from realtime.chat.message_folds import MessageFolds
from realtime.chat.operations import Perform, Written
from realtime.chat.pins import RoomPins
from realtime.chat.reactions import RoomReactions
from realtime.chat.refusals import deleted, denied, invalid
from realtime.chat.restrictions import grants_members
from realtime.chat.rights import Rights
from realtime.chat.rooms import Rooms
from realtime.chat.sending import Sending
from realtime.chat.summaries import Summaries
from realtime.chat.threads import Threads
from realtime.model import NewEntry


class Messages:
    """Performs every operation of `realtime.chat.calls.messages`.

    For `usual_slow_mode_s` see `Sending`.

    `sending` is the gate for plain publishes too, `amending` and `summaries` are for feeds and for
    erasures as well. Registers what follows from messages with the ledger: make it once.
    """

    def __init__(
        self,
        around: Around,
        rooms: Rooms,
        *,
        blocks: Blocks,
        contents: Contents,
        usual_slow_mode_s: Callable[[str], int] = lambda channel: 0,
    ) -> None:
        self._doorkeeper = around.doorkeeper
        self._clock = around.clock
        self._ledger = around.ledger
        self._contents = contents
        self._reader = LogReader(around)
        self._mentions = Mentions(around.store)
        self._rights = Rights(around, rooms, blocks)
        self.sending = Sending(
            around,
            rooms,
            blocks=blocks,
            contents=contents,
            usual_slow_mode_s=usual_slow_mode_s,
        )
        self.amending = Amending(around, contents=contents)
        self.summaries = Summaries(around.store, around.clock)
        MessageFolds(around, self.summaries)
        self.operations: Mapping[str, Perform] = {
            "chat.send": self.send,
            "chat.edit": self.edit,
            "chat.delete": self.delete,
            **Histories(around, rooms).operations,
            **Threads(around, rooms).operations,
            **RoomReactions(around, rooms, self.amending, self._rights).operations,
            **RoomPins(around, rooms, self.amending, self._rights).operations,
        }

    async def send(self, caller: Caller, params: Send) -> Sent:
        """Send a message. Raises CommandRefused: 100 … 423, and StoreError."""
        options = self._doorkeeper.options(params.channel, "room")
        data = self._contents.read(params.data, options)
        if params.also_to_channel and params.reply_to is None:
            raise invalid("also_to_channel")
        entry = self._entry(caller, params, data, notify=options.push != "")
        written = await self._ledger.attempt(entry, self._allowed(caller, params, entry))
        return Sent(written.offset, written.at, written.n, written.duplicate)

    async def edit(self, caller: Caller, params: Edit) -> Written:
        """Change a message. Raises CommandRefused: see `Amending.edit`, and StoreError."""
        self._doorkeeper.options(params.channel, "room")
        return await self.amending.edit(
            caller,
            params.channel,
            params.offset,
            client_id=params.client_id,
            data=params.data,
            mentions=params.mentions,
            admit=self._rights.to("edit", caller, params.channel),
        )

    async def delete(self, caller: Caller, params: Delete) -> Written:
        """Take a message back. Raises CommandRefused: see `Amending.delete`, and StoreError."""
        return await self.amending.delete(
            caller,
            params.channel,
            params.offset,
            client_id=params.client_id,
            admit=self._rights.to("delete", caller, params.channel),
        )

    def _entry(self, caller: Caller, params: Send, data: bytes, *, notify: bool) -> NewEntry:
        """The message, as far as it can be told without looking anything up."""
        tags = {"client_id": params.client_id} | mention_tag(params.mentions)
        command = [data]
        if params.also_to_channel:
            tags["also"] = "1"
            command.append(b"also")
        if "mentions" in tags:
            command.append(tags["mentions"].encode())
        return NewEntry(
            params.channel,
            caller.sender,
            params.client_id,
            data,
            self._clock.wall_ms(),
            # Without anything special it is the same as a plain publish of the same data.
            digest=digest("message", params.reply_to or 0, *command),
            info=caller.info,
            tags=tags,
            counts=params.reply_to is None or params.also_to_channel,
            pending=params.reply_to is not None or bool(params.mentions),
            notify=notify,
        )

    async def _allowed(self, caller: Caller, params: Send, entry: NewEntry) -> NewEntry:
        channel = params.channel
        options = self._doorkeeper.options(channel, "room")
        room = await self.sending.check(caller, channel, options)
        if not caller.is_admin and not grants_members(options.publish):
            raise denied()
        if params.reply_to is not None:
            root = await self._root(channel, params.reply_to)
            tags = (entry.tags or {}) | {"ref": str(root)}
            entry = msgspec.structs.replace(entry, ref=root, tags=tags)
        await self._mentions.check(channel, params.mentions)
        question = Question(
            "message",
            channel,
            caller.user,
            msgspec.Raw(entry.data),
            params.client_id,
            entry.ref,
            list(params.mentions),
        )
        data = await self._contents.ask(caller, question, options)
        if self._contents.has_hook:
            # See `Sending`: much may have happened until the answer came.
            room = await self.sending.check(caller, channel, options)
        await self.sending.pass_slow_mode(caller, channel, params.client_id, room, options)
        return msgspec.structs.replace(entry, data=data)

    async def _root(self, channel: str, reply_to: int) -> int:
        """The message that began the thread. Raises CallRefused: 404, 410."""
        parent = await self._reader.message(channel, reply_to, field="reply_to")
        if parent.deleted_at:
            raise deleted()
        return parent.ref or parent.offset
