"""Who wants nothing of whom."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.users import BlockedUser, BlockPage, BlockUser, ListBlocks, UnblockUser
from realtime.chat.operations import DONE, Done, Perform
from realtime.chat.refusals import invalid
from realtime.errors import LIMIT_EXCEEDED, CallRefused
from realtime.rows import BLOCKS
from realtime.stores.base import SPANS_MAX, Removal, Span, Write

BLOCKS_MAX: Final = 1_000
"""Users that one user may block."""

KEEP_S: Final = 1.0
"""How long it is kept whether one of two users blocks the other, from before it was read."""

PAIRS_MAX: Final = 50_000
"""Pairs of users for which it is kept; the least recently read go first."""

OTHERS_MAX: Final = SPANS_MAX // 2
"""Users that one read can tell about."""

Pair = tuple[str, str]
Listener = Callable[[str, str], Awaitable[None]]


class Blocks:
    """Performs `user.block`, `user.unblock` and `user.blocks`, and answers who is blocked.

    A block goes in one direction, and what it prevents in both. On this node it holds at once, on
    others after `KEEP_S`.
    """

    def __init__(self, around: Around) -> None:
        self._store = around.store
        self._clock = around.clock
        self._pairs: OrderedDict[Pair, tuple[bool, float]] = OrderedDict()
        self._changes = 0
        """How often the cache was changed by hand: what was read before that is not kept."""
        self._listeners: list[Listener] = []
        self._unblock_listeners: list[Listener] = []
        self.operations: Mapping[str, Perform] = {
            "user.block": self.block,
            "user.unblock": self.unblock,
            "user.blocks": self.blocks,
        }

    def on_block(self, listener: Listener) -> None:
        """Have `listener(user, blocked)` called after `user` has blocked somebody.

        Again when it is asked for again, so after a StoreError in it there is another chance.
        """
        self._listeners.append(listener)

    def on_unblock(self, listener: Listener) -> None:
        """The same for when `user` blocks somebody no more."""
        self._unblock_listeners.append(listener)

    # What callers ask for.

    async def block(self, caller: Caller, params: BlockUser) -> Done:
        """Block a user. Raises CommandRefused: 106, 422. Raises StoreError."""
        if params.user == caller.user:
            raise invalid("user")
        key = (caller.user, params.user)
        if not await self._store.get(BLOCKS, [key]):
            mine = await self._store.find(BLOCKS, Span((caller.user,)), limit=BLOCKS_MAX)
            if len(mine) >= BLOCKS_MAX:
                raise CallRefused(LIMIT_EXCEEDED, why="full")
            at = self._clock.wall_ms()
            await self._store.write([Write(BLOCKS, key, set={"at": at}, absent=True)])
        self._forget(*key)
        for listener in self._listeners:
            await listener(caller.user, params.user)
        return DONE

    async def unblock(self, caller: Caller, params: UnblockUser) -> Done:
        """Block a user no more. Raises StoreError."""
        key = (caller.user, params.user)
        await self._store.write([Removal(BLOCKS, key)])
        self._forget(*key)
        for listener in self._unblock_listeners:
            await listener(caller.user, params.user)
        return DONE

    async def blocks(self, caller: Caller, params: ListBlocks) -> BlockPage:
        """A page of whom the caller blocks. Raises StoreError."""
        span = Span((caller.user,), after=params.cursor or None)
        rows = await self._store.find(BLOCKS, span, limit=params.limit + 1)
        page = [BlockedUser(row.blocked, row.at) for row in rows[: params.limit]]
        return BlockPage(page, page[-1].user if len(rows) > params.limit else "")

    # What other parts ask.

    async def blocked(self, user: str, other: str) -> bool:
        """Whether one of the two blocks the other. Raises StoreError."""
        return bool(await self.among(user, (other,)))

    async def among(self, user: str, others: Collection[str]) -> frozenset[str]:
        """Those of the others who block the user or are blocked by them.

        At most OTHERS_MAX others (else ValueError): one read, or none. Raises StoreError.
        """
        if len(others) > OTHERS_MAX:
            raise ValueError(f"at most {OTHERS_MAX} users at once")
        now = self._clock.monotonic()
        found = set()
        unknown = []
        for other in others:
            kept = self._pairs.get(_pair(user, other))
            if kept is None or kept[1] <= now:
                unknown.append(other)
            elif kept[0]:
                found.add(other)
        if unknown:
            keys = [key for other in unknown for key in ((user, other), (other, user))]
            changes = self._changes
            rows = await self._store.get(BLOCKS, keys)
            read = {row.blocked if row.user == user else row.user for row in rows}
            for other in unknown if changes == self._changes else ():
                self._keep(_pair(user, other), other in read, now + KEEP_S)
            found |= read
        return frozenset(found)

    def _forget(self, user: str, other: str) -> None:
        self._pairs.pop(_pair(user, other), None)
        self._changes += 1

    def _keep(self, pair: Pair, blocked: bool, until: float) -> None:
        self._pairs[pair] = blocked, until
        self._pairs.move_to_end(pair)
        if len(self._pairs) > PAIRS_MAX:
            self._pairs.popitem(last=False)


def _pair(user: str, other: str) -> Pair:
    return (user, other) if user <= other else (other, user)
