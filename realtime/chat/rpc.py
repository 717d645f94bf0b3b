"""Calls: from a name and bytes to an operation and back, and what holds for all of them.

Guests are refused, the caller's allowance is spent, parameters are decoded strictly, and a store
that cannot answer now is error 100, whichever face a call came by. What an operation checks by
itself is said in its own module.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from realtime.chat.around import Allowances
from realtime.chat.caller import Caller
from realtime.chat.operations import Operation, Perform
from realtime.chat.parameters import Parameters
from realtime.errors import (
    INTERNAL,
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    UNAUTHORIZED,
    CallRefused,
    CommandRefused,
    StoreError,
)

CALL_TIMEOUT_S: Final = 15.0
"""How long a call may take; then its outcome is unknown, and it may be made again."""

METHOD_MAX: Final = 64
"""The longest name of a method that is looked up."""


class Call(msgspec.Struct, frozen=True):
    """An operation that can be called: its row of the table, its parameters, what performs it."""

    operation: Operation
    parameters: Parameters
    perform: Perform


class Calls:
    """Every operation of the service by name. Made once per node.

    Each of `operations` must be performed by somebody, and nobody performs anything else.
    """

    def __init__(
        self,
        operations: Iterable[Operation],
        perform: Mapping[str, Perform],
        *,
        allowances: Allowances,
    ) -> None:
        table = {operation.name: operation for operation in operations}
        if table.keys() != perform.keys():
            raise ValueError(f"operations without a match: {table.keys() ^ perform.keys()}")
        self.by_name: Mapping[str, Call] = {
            name: Call(operation, Parameters(operation), perform[name])
            for name, operation in table.items()
        }
        self.counts: dict[str, int] = dict.fromkeys(table, 0)
        """How often each operation was called and did what it was to do."""
        self._allowances = allowances
        self._encode = msgspec.json.Encoder().encode

    async def call(self, caller: Caller, method: str, data: bytes) -> bytes:
        """An RPC: JSON in, JSON out. Raises CommandRefused."""
        found = self.by_name.get(method) if len(method) <= METHOD_MAX else None
        if found is None:
            raise CommandRefused(METHOD_NOT_FOUND)
        if found.operation.streams:
            raise CommandRefused(NOT_AVAILABLE)
        return self._encode(await self.perform(caller, found, lambda: found.parameters.read(data)))

    async def perform(self, caller: Caller, call: Call, read: Callable[[], Any]) -> Any:
        """Perform it for this caller; `read` answers the parameters. Raises CommandRefused.

        Guests learn nothing of the parameters, and whoever calls too often costs no decoding.
        """
        # Who calls itself a guest is one, with a user id too.
        if not caller.user or caller.role == "guest":
            raise CallRefused(UNAUTHORIZED, why="guest")
        if not caller.is_admin:
            self._allowances.spend(caller.user, call.operation.spends)
        params = read()
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                result = await call.perform(caller, params)
        except (StoreError, TimeoutError):
            raise CommandRefused(INTERNAL) from None
        self.counts[call.operation.name] += 1
        return result
