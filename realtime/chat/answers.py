"""Writes that leave no entry in a log, done once for each `client_id`, and answered alike after."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from realtime.chat.ports import ChatStore, Clock
from realtime.chat.refusals import other_data
from realtime.errors import CommandRefused
from realtime.rows import ANSWERS, AnswerRow
from realtime.stores.base import Removal, Span, Value, Write

SWEPT_MAX: Final = 500
"""Answers that one sweep removes."""

_CLAIMED: Final = b""


class Answers:
    """What was answered, for whoever asks again. `ttl_ms`: for how long, in milliseconds."""

    def __init__(self, store: ChatStore, clock: Clock, *, ttl_ms: int) -> None:
        self._store = store
        self._clock = clock
        self._ttl_ms = ttl_ms

    async def once(
        self, user: str, client_id: str, command: bytes, perform: Callable[[], Awaitable[bytes]]
    ) -> bytes:
        """What `perform` answers (JSON), or what it did when this was asked before.

        `command` is a digest of all that was asked (`digest`). Where somebody died in between,
        `perform` is called again: it must be harmless to do twice what nobody else has changed
        meanwhile. What it refuses was never asked. Raises what it raises, StoreError, and
        CommandRefused: 409 where the key was used for something else.
        """
        key = (user, client_id)
        until = self._clock.wall_ms() + self._ttl_ms
        claim: dict[str, Value] = {"digest": command, "answer": _CLAIMED, "until": until}
        if not await self._store.decide(Write(ANSWERS, key, set=claim, absent=True)):
            found = await self._find(user, client_id)
            if found is not None and found.digest != command:
                raise other_data()
            if found is not None and found.answer != _CLAIMED:
                return found.answer
        try:
            answer = await perform()
        except CommandRefused:
            await self._store.decide(Removal(ANSWERS, key, equals={"answer": _CLAIMED}))
            raise
        await self._store.write([Write(ANSWERS, key, set={"answer": answer}, present=True)])
        return answer

    async def kept(self, user: str, client_id: str, command: bytes) -> bytes | None:
        """What was answered (`keep`) when this was asked before; None if it was not.

        Raises StoreError, and CommandRefused: 409 where the key was used for something else.
        """
        found = await self._find(user, client_id)
        if found is None:
            return None
        if found.digest != command:
            raise other_data()
        return found.answer or None

    async def keep(self, user: str, client_id: str, command: bytes, answer: bytes) -> None:
        """Have a call that found nothing to do answered so from now on, whatever changes then.

        To be called before it is answered. Raises StoreError.
        """
        until = self._clock.wall_ms() + self._ttl_ms
        fields: dict[str, Value] = {"digest": command, "answer": answer, "until": until}
        await self._store.write([Write(ANSWERS, (user, client_id), set=fields, absent=True)])

    async def sweep(self) -> int:
        """Remove answers that are past their time; answers how many. Raises StoreError.

        For one node at a time, though several do no harm.
        """
        old = await self._store.find(
            ANSWERS, Span(before=self._clock.wall_ms()), by=("until",), limit=SWEPT_MAX
        )
        if old:
            await self._store.write(
                [Removal(ANSWERS, ANSWERS.key_of(row), equals={"until": row.until}) for row in old]
            )
        return len(old)

    async def _find(self, user: str, client_id: str) -> AnswerRow | None:
        rows = await self._store.get(ANSWERS, [(user, client_id)])
        return rows[0] if rows else None


def key_in(channel: str, client_id: str) -> str:
    """The `client_id` of an answer where apps may use the same one in every channel."""
    return digest("in", channel, client_id).hex()


def digest(operation: str, *parts: str | int | bytes) -> bytes:
    """What tells a retry from another call under the same client id: 16 bytes of BLAKE2b."""
    hashed = hashlib.blake2b(msgspec.msgpack.encode((operation, parts)), digest_size=16)
    return hashed.digest()
