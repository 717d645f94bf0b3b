"""Reading messages again: pages of a room's history, and one message."""

from collections.abc import Mapping, Sequence

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.messages import History, Message, MessagePage, MessageView
from realtime.chat.log_reader import LogReader
from realtime.chat.operations import Perform
from realtime.chat.pages import Walk, walk
from realtime.chat.refusals import invalid, not_found
from realtime.chat.rooms import Rooms
from realtime.chat.views import is_in_channel
from realtime.chat.vision import Vision
from realtime.model import Entry


class Histories:
    """Performs `chat.history` and `chat.message`."""

    def __init__(self, around: Around, rooms: Rooms) -> None:
        self._vision = Vision(around, rooms)
        self._reader = LogReader(around)
        self.operations: Mapping[str, Perform] = {
            "chat.history": self.history,
            "chat.message": self.message,
        }

    async def message(self, caller: Caller, params: Message) -> MessageView:
        """One message, also a deleted one. Raises CommandRefused: 404, and StoreError."""
        sight = await self._vision.admit(caller, params.channel)
        entry = await self._reader.message(params.channel, params.offset)
        if not sight.sees(entry):
            raise not_found("offset")
        (view,) = await self._vision.views(caller, params.channel, [entry])
        return view

    async def history(self, caller: Caller, params: History) -> MessagePage:
        """A page, of at most three reads of the log. Raises CommandRefused, and StoreError."""
        sight = await self._vision.admit(caller, params.channel)

        def keep(entry: Entry) -> bool:
            wanted = params.events or entry.kind == "message"
            return wanted and is_in_channel(entry) and sight.sees(entry)

        walks = _walks(params)
        await walk(self._reader, params.channel, keep, *walks)
        entries = [entry for one in walks for entry in one.found]
        entries.sort(key=lambda entry: entry.offset)
        head = max(one.head for one in walks)
        return MessagePage(
            messages=await self._vision.views(caller, params.channel, entries),
            head=head,
            n=max(one.n for one in walks),
            older=_older(walks, params, head),
            newer=_newer(walks, params, head),
        )


def _walks(params: History) -> Sequence[Walk]:
    given = [params.before, params.after, params.around]
    if sum(value is not None for value in given) > 1:
        raise invalid("around" if params.around is not None else "after")
    if params.around is not None:
        older = params.limit // 2 + 1
        walks = [Walk(params.around + 1, older, backwards=True)]
        if params.limit > older:
            walks.append(Walk(params.around, params.limit - older, backwards=False))
        return walks
    if params.after is not None:
        return [Walk(params.after, params.limit, backwards=False)]
    return [Walk(params.before or 0, params.limit, backwards=True)]


def _older(walks: Sequence[Walk], params: History, head: int) -> int:
    """Before which offset there may be more; 0 where there is nothing."""
    if walks[0].backwards:
        return 0 if walks[0].ended or walks[0].edge <= 1 else walks[0].edge
    return min(params.after, head) + 1 if params.after else 0


def _newer(walks: Sequence[Walk], params: History, head: int) -> int | None:
    """After which offset there may be more; None where there is nothing yet."""
    last = walks[-1]
    if not last.backwards:
        return None if last.ended else last.edge
    start = params.before - 1 if params.before else params.around or head
    return start if start < head else None
