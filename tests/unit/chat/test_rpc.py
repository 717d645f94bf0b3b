"""Calls by name: who is let in, what is counted, and what a failing store is."""

import asyncio

import msgspec
import pytest

from realtime.chat.caller import Caller
from realtime.chat.operations import Done, Spent
from realtime.chat.refusals import too_many
from realtime.chat.rpc import Calls
from realtime.errors import CommandRefused, StoreUnavailable
from tests.support.chat import Unlimited, caller
from tests.support.operations import OPERATIONS, Things


class Counting:
    """Allowances that keep what was spent, and end after `left` calls."""

    def __init__(self, left: int = 100) -> None:
        self.left = left
        self.spent: list[tuple[str, str]] = []

    def spend(self, user: str, what: Spent, cost: float = 1.0) -> None:
        """See `Allowances`."""
        if not self.left:
            raise too_many(1.5)
        self.left -= 1
        self.spent.append((user, what))


def code(refused: "pytest.ExceptionInfo[CommandRefused]") -> int:
    """The wire's code."""
    return refused.value.error.code


async def test_a_call_is_json_in_and_json_out() -> None:
    things = Things()
    calls = Calls(OPERATIONS, things.operations, allowances=Unlimited())
    data = b'{"channel":"c","client_id":"1","data":{"text":"hi"}}'
    assert await calls.call(caller("ada"), "test.put", data) == b'{"offset":1}'
    assert things.put_with == [("ada", b'{"text":"hi"}', "1")]
    assert calls.counts["test.put"] == 1


async def test_unknown_methods_and_guests_are_refused() -> None:
    calls = Calls(OPERATIONS, Things().operations, allowances=Unlimited())
    for name in ("test.nothing", "", "x" * 100_000, "__class__"):
        with pytest.raises(CommandRefused) as refused:
            await calls.call(caller("ada"), name, b"{}")
        assert code(refused) == 104
    for guest in (Caller("", "guest", client="c"), Caller("ada", "guest")):
        with pytest.raises(CommandRefused) as refused:
            await calls.call(guest, "test.list", b'{"channel":"c"}')
        assert code(refused) == 101


async def test_calls_are_counted_against_the_users_allowance_but_not_admins() -> None:
    allowances = Counting(left=1)
    calls = Calls(OPERATIONS, Things().operations, allowances=allowances)
    await calls.call(caller("ada"), "test.list", b'{"channel":"c"}')
    with pytest.raises(CommandRefused) as refused:
        await calls.call(caller("ada"), "test.list", b'{"channel":"c"}')
    assert refused.value.error.message == "too many requests; why=rate; retry_after=2"
    await calls.call(caller("root", "admin"), "test.list", b'{"channel":"c"}')
    assert allowances.spent == [("ada", "reads")]


async def test_a_store_that_cannot_answer_is_error_100() -> None:
    async def away(caller: Caller, params: msgspec.Struct) -> Done:
        raise StoreUnavailable("mongodb://user:secret@host is away")

    performed = {**Things().operations, "test.drop": away}
    calls = Calls(OPERATIONS, performed, allowances=Unlimited())
    with pytest.raises(CommandRefused) as refused:
        await calls.call(caller("ada"), "test.drop", b'{"channel":"c"}')
    assert (code(refused), str(refused.value)) == (100, "100 internal server error")


async def test_a_call_that_takes_too_long_is_error_100(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(caller: Caller, params: msgspec.Struct) -> Done:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("realtime.chat.rpc.CALL_TIMEOUT_S", 0.01)
    performed = {**Things().operations, "test.drop": never}
    calls = Calls(OPERATIONS, performed, allowances=Unlimited())
    with pytest.raises(CommandRefused) as refused:
        await calls.call(caller("ada"), "test.drop", b'{"channel":"c"}')
    assert code(refused) == 100


def test_every_operation_is_performed_by_somebody_and_nothing_else() -> None:
    performed = Things().operations
    performed.pop("test.drop")
    with pytest.raises(ValueError, match=r"test\.drop"):
        Calls(OPERATIONS, performed, allowances=Unlimited())
