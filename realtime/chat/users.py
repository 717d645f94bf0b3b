"""Users: their names and avatars, as they or their tokens say."""

import asyncio
import hashlib
import logging
import random
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import msgspec

from realtime.backoff import HALF, Backoff
from realtime.chat.answers import Answers, digest
from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.users import (
    GetUser,
    ListUsers,
    UpdateUser,
    UserProfile,
    UserProfiles,
)
from realtime.chat.operations import Perform
from realtime.chat.profiles import NOTHING, TokenInfo, changes, info_of, profile_of, time_zones
from realtime.chat.refusals import denied, not_found
from realtime.cluster.outage import Outage
from realtime.errors import StoreError
from realtime.rows import USERS, UserRow
from realtime.stores.base import SPANS_MAX, Value, Write

logger = logging.getLogger(__name__)

TAKEN_MAX: Final = 50_000
"""Users whose token's info is remembered as taken, and users whose info may wait to be."""

GATHER_S: Final = 0.1
"""How long infos are gathered before they are looked at together, in seconds."""

RETRY_MIN_S: Final = 0.5
RETRY_MAX_S: Final = 10.0
"""Between attempts while the store is away, in seconds."""


class Users:
    """Performs `user.get`, `user.list` and `user.update`; `run` takes names from tokens.

    Makes no entries: who shows a name reads it when it shows it.
    """

    def __init__(self, around: Around, answers: Answers) -> None:
        self._store = around.store
        self._clock = around.clock
        self._answers = answers
        self._taken: OrderedDict[str, bytes] = OrderedDict()
        """The digest of the info that was last taken, or was found to be."""
        self._waiting: OrderedDict[str, tuple[TokenInfo, bytes]] = OrderedDict()
        self._wanted = asyncio.Event()
        self._outage = Outage(logger, "names from tokens")
        self._backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S, spread=HALF, random=random.random)
        time_zones()  # now, rather than while somebody waits
        self.operations: Mapping[str, Perform] = {
            "user.get": self.get,
            "user.list": self.list,
            "user.update": self.update,
        }

    # What callers ask for.

    async def get(self, caller: Caller, params: GetUser) -> UserProfile:
        """One user. Raises CommandRefused: 404. Raises StoreError."""
        rows = await self._store.get(USERS, [(params.user,)])
        own = params.user == caller.user
        if not rows and not own:
            raise not_found("user")
        return profile_of(rows[0] if rows else UserRow(params.user), private=own or caller.is_admin)

    async def list(self, caller: Caller, params: ListUsers) -> UserProfiles:
        """Those of the users that are known. One read. Raises StoreError."""
        rows = await self._store.get(USERS, [(user,) for user in dict.fromkeys(params.ids)])
        return UserProfiles(
            [profile_of(row, private=row.user == caller.user or caller.is_admin) for row in rows]
        )

    async def update(self, caller: Caller, params: UpdateUser) -> UserProfile:
        """Change a profile. Raises CommandRefused: 103, 409, 413, 422. Raises StoreError."""
        if params.user != caller.user and not caller.is_admin:
            raise denied()
        changed = changes(params)
        parts = [part for field in sorted(changed) for part in (field, changed[field])]
        answer = await self._answers.once(
            caller.user,
            params.client_id,
            digest("user.update", params.user, *parts),
            lambda: self._update(params.user, changed),
        )
        return msgspec.json.decode(answer, type=UserProfile)

    async def _update(self, user: str, changed: Mapping[str, Value]) -> bytes:
        await self._store.write(
            [Write(USERS, (user,), set={**changed, "changed_at": self._clock.wall_ms()})]
        )
        (row,) = await self._store.get(USERS, [(user,)])
        return msgspec.json.encode(profile_of(row, private=True))

    # What tokens say.

    def connected(self, caller: Caller) -> None:
        """A signed-in connection has come: what its token's info says is taken, if it is news.

        So everybody who was ever here is known. Never waits. What is dropped because too many wait
        is taken when the user comes again.
        """
        info = info_of(caller.info.conn_info) if caller.info is not None else NOTHING
        mark = hashlib.blake2b(msgspec.msgpack.encode(info), digest_size=8).digest()
        if self._taken.get(caller.user) == mark:
            self._taken.move_to_end(caller.user)
            return
        if caller.user not in self._waiting and len(self._waiting) >= TAKEN_MAX:
            return
        self._waiting[caller.user] = info, mark
        self._wanted.set()

    async def run(self) -> None:
        """Take what tokens say, for ever; hosted by a task group. May be cancelled at any time."""
        while True:
            await self._wanted.wait()
            await asyncio.sleep(GATHER_S)
            try:
                await self.take()
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)
                await asyncio.sleep(self._backoff.next_s())
            else:
                self._outage.ended()
                self._backoff.reset()

    async def take(self) -> None:
        """Take what waits, in one read and one write, or as many as it needs. Raises StoreError.

        `run` calls it.
        """
        while self._waiting:
            batch = dict(list(self._waiting.items())[:SPANS_MAX])
            rows = await self._store.get(USERS, [(user,) for user in batch])
            known = {row.user: row for row in rows}
            writes = []
            for user, (info, mark) in batch.items():
                row = known.get(user)
                if row is None or (row.by_token != mark and info != NOTHING):
                    writes.append(_taking(user, info, mark, row, self._clock.wall_ms()))
            if writes:
                await self._store.write(writes)
            for user, taken in batch.items():
                self._remember(user, taken[1])
                if self._waiting.get(user) == taken:
                    del self._waiting[user]
        self._wanted.clear()

    def _remember(self, user: str, mark: bytes) -> None:
        self._taken[user] = mark
        self._taken.move_to_end(user)
        if len(self._taken) > TAKEN_MAX:
            self._taken.popitem(last=False)


def _taking(user: str, info: TokenInfo, mark: bytes, row: UserRow | None, now_ms: int) -> Write:
    """The write that takes an info, unless somebody has changed the row since it was read."""
    said = {"name": info.name, "avatar": info.avatar}
    news: dict[str, Value] = {field: text for field, text in said.items() if text}
    news |= {"by_token": mark, "changed_at": now_ms}
    if row is None:
        return Write(USERS, (user,), set=news, absent=True)
    return Write(USERS, (user,), set=news, equals={"changed_at": row.changed_at})
