"""Channels where a member may write only so often, whichever nodes they are connected to.

The time of a user's last message there is in their member row, and is moved on by one conditional
write: of two nodes that are asked at the same time, one is told no. Only rooms in slow mode cost
that. The message's id is there too, so that a retry is not taken for another message.
"""

from collections import OrderedDict
from typing import Final

from realtime.chat.ports import ChatStore, Clock
from realtime.chat.refusals import locked
from realtime.rows import MEMBERS
from realtime.stores.base import Write

KEPT_MAX: Final = 10_000
"""Users' last messages that a node remembers, so as to refuse without asking the store."""


class SlowMode:
    """Lets each user through once in a while."""

    def __init__(self, store: ChatStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._last: OrderedDict[tuple[str, str], tuple[int, str]] = OrderedDict()

    async def pass_through(self, channel: str, user: str, client_id: str, *, least_ms: int) -> None:
        """Let the user write now, for the last time in `least_ms`, or again under the same id.

        Raises CallRefused (423, why=slow_mode, with `retry_after`), and StoreError.
        """
        now_ms = self._clock.wall_ms()
        last = self._last.get((channel, user))
        if last is not None:
            self._refuse_before(*last, client_id, now_ms, least_ms)
        passed = await self._store.decide(
            Write(
                MEMBERS,
                (channel, user),
                set={"sent_at": now_ms, "sent_id": client_id},
                below=("sent_at", now_ms - least_ms + 1),
                present=True,
            )
        )
        if passed:
            self._keep(channel, user, now_ms, client_id)
            return
        for row in await self._store.get(MEMBERS, [(channel, user)]):
            self._keep(channel, user, row.sent_at, row.sent_id)
            self._refuse_before(row.sent_at, row.sent_id, client_id, now_ms, least_ms)

    def _refuse_before(
        self, sent_at: int, sent_id: str, client_id: str, now_ms: int, least_ms: int
    ) -> None:
        left_ms = sent_at + least_ms - now_ms
        if left_ms > 0 and sent_id != client_id:
            # Another node's clock may be ahead: nobody waits for longer than the channel says.
            raise locked("slow_mode", retry_after_s=min(left_ms, least_ms) / 1_000)

    def _keep(self, channel: str, user: str, sent_at: int, client_id: str) -> None:
        self._last[channel, user] = (sent_at, client_id)
        self._last.move_to_end((channel, user))
        if len(self._last) > KEPT_MAX:
            self._last.popitem(last=False)
