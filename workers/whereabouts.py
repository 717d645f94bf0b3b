"""What users are by their connections, for who decides how long a message may take to be seen."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Final

from realtime.chat.calls.presence import DeviceState
from realtime.chat.devices import Here, best_of
from realtime.rows import HERE, HereRow
from realtime.stores.base import SPANS_MAX, Span, TableStore

NODES_EACH: Final = 4
MORE: Final = 100
"""Rows that one read asks for, for each user and beside that; more are found by more reads."""

_STATES: Final[Mapping[str, DeviceState]] = {
    "active": "active",
    "background": "background",
    "away": "away",
}


class HubWhereabouts:
    """Of the hub that runs in the same process, which `here` asks. See `Whereabouts`."""

    def __init__(self, here: Callable[[Collection[str]], Awaitable[Mapping[str, Here]]]) -> None:
        self._here = here

    async def states(self, users: Collection[str]) -> Mapping[str, DeviceState]:
        """See `Whereabouts`."""
        return {user: here.state for user, here in (await self._here(users)).items()}


class ClusterWhereabouts:
    """Of all hubs, by the rows that they keep in the store; `living` answers which nodes live.

    Rows of dead nodes do not count. A user who has just left counts as here for some seconds, as
    for everybody else (`realtime.chat.devices`).
    """

    def __init__(self, store: TableStore, living: Callable[[], Collection[str]]) -> None:
        self._store = store
        self._living = living

    async def states(self, users: Collection[str]) -> Mapping[str, DeviceState]:
        """See `Whereabouts`. One read for SPANS_MAX users, as a rule."""
        found: dict[str, list[Here]] = {}
        every, living = sorted(users), frozenset(self._living())
        for start in range(0, len(every), SPANS_MAX):
            async for row in self._rows(every[start : start + SPANS_MAX]):
                state = _STATES.get(row.state)
                if state is not None and row.node in living:
                    found.setdefault(row.user, []).append(Here(state, row.since))
        return {user: best.state for user, all_of in found.items() if (best := best_of(all_of))}

    async def _rows(self, users: list[str]) -> AsyncIterator[HereRow]:
        """All rows of these users, in their order; rows of nodes that died may be very many."""
        after = ""
        while users:
            limit = NODES_EACH * len(users) + MORE
            spans = [Span((users[0],), after=after), *(Span((user,)) for user in users[1:])]
            page = await self._store.find(HERE, *spans, limit=limit)
            for row in page:
                yield row
            if len(page) < limit:
                break
            after = page[-1].node
            users = [user for user in users if user >= page[-1].user]
