"""A retry of any write, from an outbox of yesterday, changes nothing and answers the same.

Every operation that has a `client_id` is performed, then its room moves on: whoever performed it is
kicked, the message is gone, what it did is undone. Then it is tried again, over the socket and over
REST, before and after the hub was started anew, and the whole database is compared.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from tests.end_to_end.chat_retries import FIRST, LATER, PEOPLE, UNDONE, WRITES, Case, same
from tests.end_to_end.conftest import MakeHub
from tests.support.chat_users import CHANGES, User, rest_session, rest_user, socket_user
from tests.support.processes import HubProcess
from tests.support.raw_contents import sqlite_rows

Face = Literal["socket", "rest"]

FACES: Final[tuple[Face, ...]] = ("socket", "rest")

# Who is here, and that there is such a user, changes whoever connects.
_LEFT_OUT: Final = {"sqlite_sequence", "users_here"}
_FLEETING: Final = {"last_seen", "active_at"}

# Has other nodes read on in a channel: a retry may be of a try that died before it said so.
_READ_ON: Final = "members"


class Callers:
    """Everybody in a case, by either face; connected as they are needed."""

    def __init__(self, hub: HubProcess, stack: contextlib.AsyncExitStack) -> None:
        self._hub = hub
        self._stack = stack
        self._session: Any = None

    async def user(self, face: Face, name: str) -> User:
        """Somebody by one face."""
        if face == "socket":
            user = socket_user(self._hub.websocket_url, name)
            return await self._stack.enter_async_context(user)
        if self._session is None:
            self._session = await self._stack.enter_async_context(rest_session())
        return rest_user(self._hub, self._session, name)

    async def people(self, face: Face, case: str) -> Mapping[str, User]:
        """Everybody of a case."""
        label = case.replace(".", "-")
        return {role: await self.user(face, f"{role}-{label}") for role in PEOPLE}


@contextlib.asynccontextmanager
async def callers_of(hub: HubProcess) -> AsyncIterator[Callers]:
    """Everybody, for as long as the block lasts."""
    async with contextlib.AsyncExitStack() as stack:
        yield Callers(hub, stack)


def contents(hub: HubProcess) -> Mapping[str, list[dict[str, Any]]]:
    """All that is stored; the hub must not be running."""
    rows = sqlite_rows(hub.directory / "hub.db")
    return {
        table: [
            {key: row[key] for key in row.keys() - _FLEETING}
            for row in found
            if row.get("act") != _READ_ON and (table != "users" or row["name"])
        ]
        for table, found in rows.items()
        if table not in _LEFT_OUT
    }


def differences(before: Mapping[str, list[Any]], after: Mapping[str, list[Any]]) -> list[str]:
    """Rows that came or went."""
    assert before.keys() == after.keys()
    return [
        f"{table}: {row}"
        for table in before
        for rows, others in ((before[table], after[table]), (after[table], before[table]))
        for row in rows
        if row not in others
    ]


async def retried(hub: HubProcess, cases: list[Case]) -> list[str]:
    """Retry each by every face; what was answered otherwise than at first."""
    breaches = []
    async with callers_of(hub) as callers:
        for case in cases:
            for face in FACES:
                try:
                    answer = await case.retry(await callers.user(face, case.caller.name))
                except Exception as refused:  # noqa: BLE001 - a breach of this case, others go on
                    breaches.append(f"{case.name} by {face}: {refused!r}")
                    continue
                if same(answer) != same(case.answer):
                    breaches.append(f"{case.name} by {face}: {answer} and not {case.answer}")
    return breaches


@pytest.mark.parametrize("later", LATER)
async def test_a_retry_answers_the_same_and_changes_nothing(make_hub: MakeHub, later: str) -> None:
    hub = make_hub(CHANGES)
    await asyncio.to_thread(hub.start)
    face = FACES[list(LATER).index(later) % 2]
    cases = []
    async with callers_of(hub) as callers:
        for operation in WRITES:
            case = Case(operation.name, await callers.people(face, operation.name))
            await case.furnish()
            await case.perform()
            await case.move_on(later)
            cases.append(case)
    assert await retried(hub, cases) == []
    await asyncio.to_thread(hub.terminate)
    before = contents(hub)
    await asyncio.to_thread(hub.start)
    assert await retried(hub, cases) == []
    await asyncio.to_thread(hub.terminate)
    assert differences(before, contents(hub)) == []
    moved = [case.name for case in cases if case.done]
    assert len(moved) >= len(UNDONE), f"only {moved} were followed by anything"


def test_what_is_retried_is_every_write(tmp_path: Path) -> None:
    names = {operation.name for operation in WRITES}
    assert FIRST.keys() <= names
    assert UNDONE.keys() <= names
    assert len(names) > 25
