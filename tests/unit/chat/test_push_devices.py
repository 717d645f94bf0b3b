"""The devices that users can be told on: whose an address is, what is refused, what is shown."""

import base64
import logging
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import pytest

from realtime.chat.calls.push import (
    AskKeys,
    ListDevices,
    RegisterDevice,
    RegisteredDevice,
    UnregisterDevice,
)
from realtime.chat.openapi import document
from realtime.chat.push_devices import PushDevices
from realtime.chat.rpc import Calls
from realtime.chat.table import ALL
from realtime.errors import CallRefused, StoreUnavailable
from realtime.push.rows import DEVICES, DeviceRow
from realtime.settings.push_schema import PushSettings
from realtime.stores.base import Row, Span, Table, Value, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ChatParts, Unlimited, caller, chat_parts

APNS: Final = "ab" * 32
ENDPOINT: Final = "https://push.example.com/an-address-that-is-secret"
POINT: Final = base64.urlsafe_b64encode(b"\4" + bytes(64)).decode().rstrip("=")
AUTH: Final = base64.urlsafe_b64encode(bytes(16)).decode().rstrip("=")


def phone(device: str = "phone", address: str = APNS, **fields: Any) -> RegisterDevice:
    """A phone of Apple's."""
    return RegisterDevice(device, "apns", address, **fields)


def browser(**fields: Any) -> RegisterDevice:
    """A browser."""
    given = {"address": ENDPOINT, "p256dh": POINT, "auth": AUTH} | fields
    return msgspec.convert({"device": "browser", "provider": "webpush", **given}, RegisterDevice)


async def registered(parts: ChatParts, user: str) -> Sequence[DeviceRow]:
    """What is kept of a user."""
    return await parts.store.find(DEVICES, Span((user,)), limit=100)


async def test_a_device_is_kept_with_all_that_is_said_and_shown_without_its_address() -> None:
    async with chat_parts() as parts:
        devices = PushDevices(parts.around, PushSettings())
        shown = await devices.register(
            caller("ada"), phone(app="com.example.chat", locale="de-AT", time_zone="Europe/Vienna")
        )
        at = parts.clock.now_ms
        assert shown == RegisteredDevice(
            "phone", "apns", "token", at, "com.example.chat", "", "de-AT", "Europe/Vienna"
        )
        assert APNS not in msgspec.json.encode(shown).decode()
        (row,) = await registered(parts, "ada")
        assert (row.address, row.registered_at, row.app) == (APNS, at, "com.example.chat")
        listed = await devices.devices(caller("ada"), ListDevices())
        assert listed.devices == [shown]
        assert (await devices.devices(caller("bob"), ListDevices())).devices == []


async def test_a_device_that_registers_again_is_the_same_with_what_it_says_now() -> None:
    async with chat_parts() as parts:
        devices = PushDevices(parts.around, PushSettings())
        await devices.register(caller("ada"), phone(locale="de", app="old"))
        parked = Write(DEVICES, ("ada", "phone"), set={"parked": "wrong topic"})
        await parts.store.write([parked])
        (listed,) = (await devices.devices(caller("ada"), ListDevices())).devices
        assert listed.parked == "wrong topic"
        parts.clock.now_ms += 5
        await devices.register(caller("ada"), phone(address="cd" * 32))
        (row,) = await registered(parts, "ada")
        assert (row.address, row.locale, row.app, row.parked) == ("cd" * 32, "", "", "")
        assert row.registered_at == parts.clock.now_ms


async def test_an_address_is_of_whoever_registers_it_last() -> None:
    async with chat_parts() as parts:
        devices = PushDevices(parts.around, PushSettings())
        await devices.register(caller("ada"), phone())
        await devices.register(caller("ada"), phone("reinstalled"))
        assert [row.device for row in await registered(parts, "ada")] == ["reinstalled"]
        await devices.register(caller("bob"), phone())
        assert await registered(parts, "ada") == []
        assert [row.device for row in await registered(parts, "bob")] == ["phone"]


async def test_it_is_also_where_the_clock_of_the_last_ones_node_is_behind() -> None:
    async with chat_parts() as parts:
        devices = PushDevices(parts.around, PushSettings())
        await devices.register(caller("ada"), phone())
        before = parts.clock.now_ms
        parts.clock.now_ms -= 60_000
        await devices.register(caller("bob"), phone())
        assert await registered(parts, "ada") == []
        (row,) = await registered(parts, "bob")
        assert row.registered_at > before


class Meeting(SQLiteStore):
    """A store where somebody else registers an address just before ours is written.

    `looks`: how often it says who has an address, before it fails.
    """

    other: Write | None = None
    looks = 9

    async def find(self, table: Table[Row], *spans: Span, **options: Any) -> Sequence[Row]:
        """See base."""
        if options.get("by") != ("digest", "user"):
            return await super().find(table, *spans, **options)
        if not self.looks:
            raise StoreUnavailable("away")
        self.looks -= 1
        found = await super().find(table, *spans, **options)
        if self.other is not None:
            other, self.other = self.other, None
            await self.write([other])
        return found


async def test_a_store_that_fails_in_between_leaves_no_address_with_who_had_it() -> None:
    async with chat_parts() as parts:
        store = Meeting(":memory:")
        await store.open()
        around = msgspec.structs.replace(parts.around, store=store)
        devices = PushDevices(around, PushSettings())
        await devices.register(caller("ada"), phone())
        store.looks = 1
        with pytest.raises(StoreUnavailable):
            await devices.register(caller("bob"), phone())
        found = await store.find(DEVICES, Span(), limit=9)
        await store.close()
        assert [row.user for row in found] == ["bob"]


@pytest.mark.parametrize(("later_ms", "kept"), [(-1, ["bob"]), (1, ["ada", "bob"])])
async def test_of_two_who_register_an_address_at_once_one_keeps_it(
    later_ms: int, kept: list[str]
) -> None:
    """Each removes who was before; here only one of the two is under way."""
    async with chat_parts() as parts:
        devices = PushDevices(parts.around, PushSettings())
        await devices.register(caller("ada"), phone())
        (row,) = await registered(parts, "ada")
        await devices.unregister(caller("ada"), UnregisterDevice("phone"))
        store = Meeting(":memory:")
        await store.open()
        at = parts.clock.now_ms + later_ms
        fields: dict[str, Value] = {"digest": row.digest, "registered_at": at}
        store.other = Write(DEVICES, ("ada", "phone"), set=fields)
        around = msgspec.structs.replace(parts.around, store=store)
        await PushDevices(around, PushSettings()).register(caller("bob"), phone())
        found = await store.find(DEVICES, Span(), limit=9)
        await store.close()
        assert [each.user for each in found] == kept


async def test_of_more_devices_than_a_user_may_have_the_oldest_goes() -> None:
    async with chat_parts() as parts:
        devices = PushDevices(parts.around, PushSettings(devices_max=2))
        await parts.store.write([Write(DEVICES, ("ada", ""), set={"level": "none"})])
        for number in range(4):
            parts.clock.now_ms += 1
            await devices.register(caller("ada"), phone(f"d{number}", f"{number:064x}"))
        assert [row.device for row in await registered(parts, "ada")] == ["", "d2", "d3"]


async def test_a_device_that_is_signed_out_is_told_of_nothing() -> None:
    async with chat_parts() as parts:
        devices = PushDevices(parts.around, PushSettings())
        await parts.store.write([Write(DEVICES, ("ada", ""), set={"level": "none"})])
        await devices.register(caller("ada"), phone())
        await devices.unregister(caller("bob"), UnregisterDevice("phone"))
        assert len(await registered(parts, "ada")) == 2
        for _ in range(2):
            await devices.unregister(caller("ada"), UnregisterDevice("phone"))
        (own,) = await registered(parts, "ada")
        assert (own.device, own.level) == ("", "none")


@pytest.mark.parametrize(
    "good",
    [
        phone(),
        RegisterDevice("p", "fcm", "c" * 8 + ":APA91b_-" + "x" * 140),
        RegisterDevice("p", "fcm", "c" * 22, kind="fid"),
        browser(),
        browser(p256dh=POINT + "=", auth=AUTH + "=="),
        browser(address="http://127.0.0.1:9000/up"),
    ],
)
async def test_what_a_provider_may_take_is_taken(good: RegisterDevice) -> None:
    async with chat_parts() as parts:
        await PushDevices(parts.around, PushSettings()).register(caller("ada"), good)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (phone(address="no hex"), "address"),
        (phone(address="ab" * 31), "address"),
        (phone(kind="fid"), "kind"),
        (phone(app="a b"), "app"),
        (phone(locale="not a tag!"), "locale"),
        (phone(time_zone="Mars/Olympus"), "time_zone"),
        (RegisterDevice("p", "fcm", "with spaces in it"), "address"),
        (RegisterDevice("p", "fcm", "c:" * 11, kind="fid"), "address"),
        (browser(address="ftp://push.example.com/x"), "address"),
        (browser(address="https:///x"), "address"),
        (browser(address="https://user:pass@push.example.com/x"), "address"),
        (browser(address="https://push.example.com/x#y"), "address"),
        (browser(address="https://[/x"), "address"),
        (browser(address="https://push.example.com/ä"), "address"),
        (browser(p256dh=""), "p256dh"),
        (browser(p256dh=POINT[:-4]), "p256dh"),
        (browser(p256dh=base64.urlsafe_b64encode(bytes(65)).decode()), "p256dh"),
        (browser(auth="!"), "auth"),
        (browser(kind="token"), "kind"),
    ],
)
async def test_what_no_provider_would_take_is_refused(bad: RegisterDevice, field: str) -> None:
    async with chat_parts() as parts:
        with pytest.raises(CallRefused) as refused:
            await PushDevices(parts.around, PushSettings()).register(caller("ada"), bad)
        assert (refused.value.error.code, refused.value.field) == (422, field)
        assert bad.address not in str(refused.value)
        assert await registered(parts, "ada") == []


@pytest.mark.parametrize("device", ["", "x" * 200])
async def test_a_device_without_a_name_of_its_own_is_refused(device: str) -> None:
    """The row with none is the user's own."""
    async with chat_parts() as parts:
        calls = only(PushDevices(parts.around, PushSettings()))
        data = {"device": device, "provider": "apns", "address": APNS}
        with pytest.raises(CallRefused) as refused:
            await calls.call(caller("ada"), "push.register", msgspec.json.encode(data))
        assert (refused.value.error.code, refused.value.field) == (422, "device")


def only(devices: PushDevices) -> Calls:
    """Calls of nothing else."""
    operations = [each for each in ALL if each.name in devices.operations]
    return Calls(operations, devices.operations, allowances=Unlimited())


@pytest.mark.parametrize("wrong", [{"address": 1}, {"address": "x" * 5_000}, {"secret": APNS}])
async def test_a_refusal_and_the_log_have_nothing_that_was_sent(
    wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with chat_parts() as parts:
        calls = only(PushDevices(parts.around, PushSettings()))
        data = {"device": "d", "provider": "apns", "address": APNS} | wrong
        with pytest.raises(CallRefused) as refused:
            await calls.call(caller("ada"), "push.register", msgspec.json.encode(data))
        given = str(next(iter(wrong.values())))
        assert APNS not in repr(refused.value)
        assert given not in repr(refused.value) or given == "1"
        assert refused.value.__suppress_context__
        assert APNS not in caplog.text


async def test_a_browser_is_told_the_key_to_subscribe_with() -> None:
    async with chat_parts() as parts:
        for key in ("", "BKey"):
            devices = PushDevices(parts.around, PushSettings(), server_key=key)
            keys = await devices.keys(caller("ada"), AskKeys())
            assert keys.application_server_key == key


def test_nothing_that_is_answered_has_a_field_for_an_address() -> None:
    schemas = document(ALL, version="1")["components"]["schemas"]
    having = {
        name
        for name, schema in schemas.items()
        if {"address", "p256dh", "auth", "digest"} & set(schema.get("properties", ()))
    }
    assert having == {"RegisterDevice"}
