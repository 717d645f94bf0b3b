"""Export and erasure as operations, and the background work that erases."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from realtime.chat.caller import Caller
from realtime.chat.calls.law import EraseParams, Erasure, ErasureParams, ExportParams
from realtime.chat.erasure import Eraser, Erasing
from realtime.chat.export import export_user
from realtime.chat.operations import Perform
from realtime.chat.ports import Clock
from realtime.chat.refusals import denied, not_found, too_many
from realtime.chat.walking import LawStore, rows
from realtime.errors import CommandRefused, StoreError
from realtime.rows import WORK, WorkRow
from realtime.stores.base import Removal, Write

logger = logging.getLogger(__name__)

KIND: Final = "erasure"

LEASE_MS: Final = 15_000
"""How long a node that erases may be silent until another goes on."""

BEAT_S: Final = 3.0
"""How often it says that it is still at it, in seconds."""

LOOK_S: Final = 5.0
"""Between two looks for erasures that nobody carries out."""

KEPT_MS: Final = 365 * 24 * 3_600_000
"""How long a report is kept."""

EXPORTS_MAX: Final = 4
"""Exports of a node at once."""

EXPORT_RETRY_S: Final = 30.0
"""When to ask again where too many are under way."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Erasing).decode


class Law:
    """What a user may ask for by law, of themselves, or an admin of anybody."""

    def __init__(
        self,
        store: LawStore,
        clock: Clock,
        eraser: Eraser,
        *,
        sign_out: Callable[[str], Awaitable[None]],
        is_alone: bool = False,
    ) -> None:
        """`is_alone`: no other node can be at an erasure that this one finds unfinished."""
        self._store = store
        self._sign_out = sign_out
        self._exported: set[str] = set()
        self._clock = clock
        self._eraser = eraser
        self._lease_ms = 0 if is_alone else LEASE_MS
        self._wanted = asyncio.Event()

    @property
    def operations(self) -> Mapping[str, Perform]:
        """Who performs what."""
        return {
            "user.export": self.export,
            "user.erase": self.erase,
            "user.erasure": self.erasure,
        }

    async def export(self, caller: Caller, params: ExportParams) -> Any:
        """The lines of a user's data. Raises CommandRefused: 103, 111 where one is under way.

        Each goes through every channel there is, so a node does a few at a time.
        """
        _only_self(caller, params.user)
        if params.user in self._exported or len(self._exported) >= EXPORTS_MAX:
            raise too_many(EXPORT_RETRY_S)
        return self._counted(params.user)

    async def _counted(self, user: str) -> AsyncIterator[bytes]:
        """The lines; until the last was taken nobody begins another export of this user here."""
        if user in self._exported:
            raise too_many(EXPORT_RETRY_S)
        self._exported.add(user)
        try:
            async for line in self.lines(user):
                yield line
        finally:
            self._exported.discard(user)

    async def lines(self, user: str) -> AsyncIterator[bytes]:
        """All of them, with a last one that says so. Raises StoreError."""
        async for line in export_user(self._store, user, now_ms=self._clock.wall_ms()):
            yield line
        yield b'{"type":"end"}\n'

    async def erase(self, caller: Caller, params: EraseParams) -> Erasure:
        """Begin to erase, or say which erasure it is that has begun. Raises CommandRefused."""
        _only_self(caller, params.user)
        id = await self.begin(params.user)
        # Whoever goes on writing is not erased. For good: the tokens must not outlive the name.
        await self._sign_out(params.user)
        return Erasure(id)

    async def begin(self, user: str) -> str:
        """The id of the user's erasure, which `run` carries out. Raises StoreError."""
        async for id, erasing in self._unfinished():
            if erasing.user == user:
                return id
        id = secrets.token_hex(16)
        state = _encode(Erasing(user))
        await self._store.write([Write(WORK, (KIND, id), set={"state": state})])
        self._wanted.set()
        return id

    async def erasure(self, caller: Caller, params: ErasureParams) -> Erasure:
        """How far it is. Raises CommandRefused (404)."""
        for row in await self._store.get(WORK, [(KIND, params.erasure)]):
            return Erasure(row.id, row.done_at > 0, _decode(row.state).report)
        raise not_found("erasure")

    async def run(self) -> None:
        """Carry out what is unfinished, and sweep old reports, for ever."""
        while True:
            try:
                await self.work()
            except (StoreError, CommandRefused, TimeoutError) as error:
                logger.warning("an erasure goes on later: %s", error)
            self._wanted.clear()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def work(self) -> None:
        """Carry out every erasure that no other node is at. Raises StoreError, CommandRefused."""
        async for id, erasing in self._unfinished(sweeps=True):
            if await self._claim(id):
                await self._carry_out(id, erasing)

    async def _carry_out(self, id: str, erasing: Erasing) -> None:
        async def save() -> None:
            now_ms = self._clock.wall_ms()
            done = {"done_at": now_ms} if not erasing.user else {}
            await self._store.write(
                [Write(WORK, (KIND, id), set={"state": _encode(erasing), "at": now_ms, **done})]
            )

        failure: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(self._beat(id), name="lease of an erasure")
            try:
                await self._eraser.carry_out(erasing, save)
            except (StoreError, CommandRefused, TimeoutError) as error:
                failure = error
            beating.cancel()
        if failure is not None:
            raise failure
        logger.info("erasure %s is done", id)

    async def _beat(self, id: str) -> None:
        """Keep the others from it while a step takes long."""
        while True:
            await asyncio.sleep(BEAT_S)
            beat = Write(WORK, (KIND, id), set={"at": self._clock.wall_ms()}, present=True)
            with contextlib.suppress(StoreError):  # the next one may be in time
                await self._store.write([beat])

    async def _claim(self, id: str) -> bool:
        """Whether this node is the one to carry it out: the last one was silent for its lease."""
        now_ms = self._clock.wall_ms()
        return await self._store.decide(
            Write(WORK, (KIND, id), set={"at": now_ms}, below=("at", now_ms - self._lease_ms))
        )

    async def _unfinished(self, *, sweeps: bool = False) -> AsyncIterator[tuple[str, Erasing]]:
        async for page in rows(self._store, WORK, (KIND,)):
            for row in page:
                if not row.done_at:
                    yield row.id, _decode(row.state)
                elif sweeps and row.done_at < self._clock.wall_ms() - KEPT_MS:
                    await self._sweep(row)

    async def _sweep(self, row: WorkRow) -> None:
        await self._store.write([Removal(WORK, WORK.key_of(row))])


def _only_self(caller: Caller, user: str) -> None:
    if caller.user != user and not caller.is_admin:
        raise denied("role")
