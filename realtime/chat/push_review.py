"""Why users were told or were not, and what is to become of what no provider would take."""

from collections.abc import Mapping, Sequence

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.push_review import (
    NAMED_MAX,
    CountDead,
    DeadLetter,
    DeadPage,
    Explain,
    Explained,
    ExplainedDevice,
    ListDead,
    NameDead,
)
from realtime.chat.operations import Perform
from realtime.chat.refusals import denied, invalid
from realtime.push.dead_letters import DeadLetters
from realtime.push.explaining import explain
from realtime.push.rows import DEAD, DeadRow
from realtime.settings.push_schema import PushSettings


class PushReview:
    """Performs `push.explain`, of oneself or by an admin, and an admin's `push.dead` and others."""

    def __init__(self, around: Around, push: PushSettings) -> None:
        self._store = around.store
        self._clock = around.clock
        self._doorkeeper = around.doorkeeper
        self._trail_ttl_ms = push.trail_ttl.ms
        self._letters = DeadLetters(around.store)
        self.operations: Mapping[str, Perform] = {
            "push.explain": self.explain,
            "push.dead": self.dead,
            "push.replay": self.replay,
            "push.purge": self.purge,
        }

    async def explain(self, caller: Caller, params: Explain) -> Explained:
        """Why. Raises CommandRefused: 103, 404. Raises StoreError.

        Whoever is not in the channel is not told which messages it has, not even that way;
        and no user is told who blocks them.
        """
        if caller.user != params.user and not caller.is_admin:
            raise denied()
        options = self._doorkeeper.options(params.channel, "room")
        await self._doorkeeper.admit(caller, params.channel, "member")
        why = await explain(
            self._store,
            params.user,
            params.channel,
            params.offset,
            level=options.push,
            now_ms=self._clock.wall_ms(),
            trail_ttl_ms=self._trail_ttl_ms,
            to_admin=caller.is_admin,
        )
        devices = [
            ExplainedDevice(
                each.device, each.reason, each.sentence, each.detail, each.tries, each.at
            )
            for each in why.devices
        ]
        return Explained(why.reason, why.sentence, why.detail, why.at, devices)

    async def dead(self, caller: Caller, params: ListDead) -> DeadPage:
        """A page of dead letters. Raises CommandRefused (103). Raises StoreError."""
        _only_admin(caller)
        found = await self._letters.page(
            after=params.cursor, limit=params.limit + 1, user=params.user
        )
        page = [_shown(row) for row in found[: params.limit]]
        return DeadPage(page, page[-1].place if len(found) > params.limit else "")

    async def replay(self, caller: Caller, params: NameDead) -> CountDead:
        """Have letters tried again. Raises CommandRefused: 103, 422. Raises StoreError."""
        places, more = await self._named(caller, params)
        return CountDead(await self._letters.replay(places, self._clock.wall_ms()), more)

    async def purge(self, caller: Caller, params: NameDead) -> CountDead:
        """Throw letters away. Raises CommandRefused: 103, 422. Raises StoreError."""
        places, more = await self._named(caller, params)
        found = await self._store.get(DEAD, [(place,) for place in places])
        await self._letters.purge(places)
        return CountDead(len(found), more)

    async def _named(self, caller: Caller, params: NameDead) -> tuple[Sequence[str], bool]:
        """Which letters are meant, and whether there are more. Raises CommandRefused."""
        _only_admin(caller)
        is_by_place = bool(params.places)
        if is_by_place == (params.all or bool(params.user)):
            # Neither is not everything: who forgets to say which means none.
            raise invalid("places")
        if is_by_place:
            return tuple(dict.fromkeys(params.places)), False
        found = await self._letters.page(limit=NAMED_MAX + 1, user=params.user)
        return [row.place for row in found[:NAMED_MAX]], len(found) > NAMED_MAX


def _only_admin(caller: Caller) -> None:
    if not caller.is_admin:
        raise denied()


def _shown(row: DeadRow) -> DeadLetter:
    return DeadLetter(
        row.place,
        row.user,
        row.channel,
        row.offset,
        row.at,
        row.why,
        row.provider,
        row.device,
    )
