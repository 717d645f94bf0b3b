"""Of what users want to be told: what is kept, what is left as it is, and whose it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from realtime.chat.caller import Caller
from realtime.chat.calls.push import OPERATIONS, AskPushSettings, ChangePushSettings, PushWishes
from realtime.chat.push_devices import PushDevices
from realtime.chat.push_wishes import Wishes
from realtime.chat.rpc import Calls
from realtime.errors import CommandRefused
from realtime.push.rows import DEVICES
from realtime.rows import MEMBERS
from realtime.server.door_rules import DoorRules
from realtime.server.http import make_application
from realtime.server.rest import RestRoutes
from realtime.settings.push_schema import PushSettings
from realtime.stores.base import Value, Write
from tests.support.chat import ChatParts, Unlimited, caller, chat_parts

CHANNEL: Final = "room:one"
QUIET: Final = {"zone": "Europe/Vienna", "start_minute": 1_320, "end_minute": 420}


@asynccontextmanager
async def with_member() -> AsyncIterator[tuple[ChatParts, Calls]]:
    """A room that Ada is in, and push's own calls."""
    async with chat_parts() as parts:
        await parts.store.write([Write(MEMBERS, (CHANNEL, "ada"), set={"role": "member"})])
        devices = PushDevices(parts.around, PushSettings())
        operations = {**devices.operations, **Wishes(parts.around).operations}
        yield parts, Calls(OPERATIONS, operations, allowances=Unlimited())


async def ask(calls: Calls, name: str, user: str = "ada", **params: Any) -> Any:
    """What a user is answered. Raises CommandRefused."""
    return msgspec.json.decode(
        await calls.call(caller(user), name, msgspec.json.encode(params)), type=dict
    )


async def test_who_has_set_nothing_wants_what_the_namespace_has() -> None:
    async with with_member() as (_, calls):
        assert await ask(calls, "push.settings") == {}
        assert await ask(calls, "push.settings", channel=CHANNEL) == {}


async def test_what_is_not_given_stays_as_it_is() -> None:
    async with with_member() as (parts, calls):
        everything: dict[str, Any] = {"level": "mentions", "muted_until": -1, "quiet": QUIET}
        assert await ask(calls, "push.change", **everything) == everything
        assert await ask(calls, "push.change") == everything
        assert await ask(calls, "push.change", muted_until=0) == {
            "level": "mentions",
            "quiet": QUIET,
        }
        assert await ask(calls, "push.change", level="") == {"quiet": QUIET}
        assert await ask(calls, "push.change", quiet=None, level="none") == {"level": "none"}
        assert await ask(calls, "push.settings") == {"level": "none"}
        (row,) = await parts.store.get(DEVICES, [("ada", "")])
        assert (row.registered_at, row.quiet) == (parts.clock.now_ms, b"")
        assert await ask(calls, "push.settings", "bob") == {}


async def test_a_device_does_not_change_what_its_user_wants() -> None:
    async with with_member() as (_, calls):
        await ask(calls, "push.change", level="none")
        await ask(calls, "push.register", device="d", provider="apns", address="ab" * 32)
        assert await ask(calls, "push.settings") == {"level": "none"}
        assert len((await ask(calls, "push.devices"))["devices"]) == 1


async def test_a_channel_has_its_own() -> None:
    async with with_member() as (parts, calls):
        wanted: dict[str, Any] = {"level": "all", "muted_until": 1_800_000_000_000}
        assert await ask(calls, "push.change_channel", channel=CHANNEL, **wanted) == wanted
        assert await ask(calls, "push.change_channel", channel=CHANNEL, muted_until=0) == {
            "level": "all"
        }
        assert await ask(calls, "push.settings", channel=CHANNEL) == {"level": "all"}
        assert await ask(calls, "push.settings") == {}
        (row,) = await parts.store.get(MEMBERS, [(CHANNEL, "ada")])
        assert (row.role, row.push_at) == ("member", parts.clock.now_ms)


@pytest.mark.parametrize("role", [None, ""])
async def test_who_is_not_there_has_nothing_to_set(role: str | None) -> None:
    async with with_member() as (parts, calls):
        if role is not None:
            await parts.store.write([Write(MEMBERS, (CHANNEL, "eve"), set={"role": role})])
        for name in ("push.change_channel", "push.settings"):
            with pytest.raises(CommandRefused) as refused:
                await ask(calls, name, "eve", channel=CHANNEL)
            assert refused.value.error.code == 103
        rows = await parts.store.get(MEMBERS, [(CHANNEL, "eve")])
        assert [row.push_at for row in rows] == [] if role is None else [0]


async def test_an_admin_who_is_not_there_gets_no_row_there() -> None:
    async with with_member() as (parts, calls):
        data = msgspec.json.encode({"channel": CHANNEL, "level": "none"})
        with pytest.raises(CommandRefused) as refused:
            await calls.call(caller("root", "admin"), "push.change_channel", data)
        assert refused.value.error.code == 404
        assert await parts.store.get(MEMBERS, [(CHANNEL, "root")]) == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"level": "some"}, "level"),
        ({"muted_until": -2}, "muted_until"),
        ({"quiet": {**QUIET, "zone": "Mars/Olympus"}}, "quiet.zone"),
        ({"quiet": {**QUIET, "start_minute": 1_440}}, "quiet.start_minute"),
        ({"quiet": {"zone": "Europe/Vienna"}}, "quiet.start_minute"),
        ({"quiet": "always"}, "quiet"),
        ({"quiet": {**QUIET, "timezone": "UTC"}}, "quiet"),
    ],
)
async def test_what_cannot_be_wanted_is_refused(wrong: dict[str, Any], field: str) -> None:
    async with with_member() as (parts, calls):
        with pytest.raises(CommandRefused) as refused:
            await ask(calls, "push.change", **wrong)
        assert refused.value.error.code == 422
        assert field in str(refused.value)
        assert await parts.store.get(DEVICES, [("ada", "")]) == []


async def test_over_http_hours_of_silence_are_set_and_taken_back(
    aiohttp_client: AiohttpClient,
) -> None:
    async def bearer(token: str) -> Caller:
        return caller(token)

    async with with_member() as (_, calls):
        routes = RestRoutes(
            calls,
            bearer,
            DoorRules((), trusted_proxies=()),
            body_max_bytes=1_000,
            version="1",
            errors=lambda code: None,
        )
        client: TestClient[Any, Any] = await aiohttp_client(make_application([routes]))
        headers = {"Authorization": "Bearer ada"}
        url = "/api/v1/push/settings"
        for body, told in (
            ({"quiet": QUIET}, {"quiet": QUIET}),
            ({"level": "all"}, {"level": "all", "quiet": QUIET}),
            ({"quiet": None}, {"level": "all"}),
        ):
            answer = await client.patch(url, json=body, headers=headers)
            assert (answer.status, await answer.json()) == (200, told)
        answer = await client.get(url, headers=headers)
        assert await answer.json() == {"level": "all"}
        answer = await client.get(f"{url}?channel={CHANNEL}", headers=headers)
        assert await answer.json() == {}


async def test_what_another_version_has_written_is_read_as_far_as_it_is_known() -> None:
    async with chat_parts() as parts:
        fields: dict[str, Value] = {"level": "sometimes", "muted_until": 5, "quiet": b"always"}
        await parts.store.write([Write(DEVICES, ("ada", ""), set=fields)])
        wishes = Wishes(parts.around)
        assert await wishes.settings(caller("ada"), AskPushSettings()) == PushWishes("", 5)
        changed = await wishes.change(caller("ada"), ChangePushSettings(level="all"))
        assert changed == PushWishes("all", 5)
