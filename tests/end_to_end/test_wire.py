"""The wire, document by document: shapes that SDKs do not show (protocol 1.2 to 1.4, 2.4)."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.end_to_end.conftest import MakeHub
from tests.support.processes import HubProcess
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token
from tests.support.wire_client import WireClient, open_wire


@pytest.fixture
async def wire(hub: HubProcess) -> AsyncIterator[WireClient]:
    """A connection of ann, connected."""
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann"))
        yield wire


async def test_connect_subscribe_and_publish_may_come_in_the_first_frame(
    hub: HubProcess, channel: str
) -> None:
    commands = [
        {"id": 1, "connect": {"token": connection_token("ann"), "name": "test", "unknown": [1]}},
        {"id": 2, "subscribe": {"channel": channel, "flag": 1}},
        {"id": 3, "publish": {"channel": channel, "data": {"n": 1}}},
        {"id": 4, "presence_stats": {"channel": channel}},
    ]
    async with open_wire(hub.websocket_url) as wire:
        await wire.send_text("\n".join(json.dumps(command) for command in commands) + "\n")
        connected = (await wire.reply(1))["connect"]
        assert connected["version"]
        assert (connected["ping"], connected["pong"]) == (25, True)
        assert "expires" in connected
        assert "subscribe" in await wire.reply(2)
        assert await wire.reply(3) == {"id": 3, "publish": {}}
        assert await wire.reply(4) == {
            "id": 4,
            "presence_stats": {"num_clients": 1, "num_users": 1},
        }
        publication = await wire.push("pub", channel)
        assert publication == {
            "data": {"n": 1},
            "info": {"user": "ann", "client": connected["client"]},
            "offset": 1,
        }


async def test_what_is_zero_is_left_out_but_for_a_few(wire: WireClient, channel: str) -> None:
    assert await wire.command("presence", channel=channel) == {
        "id": 2,
        "presence": {"presence": {}},
    }
    history = (await wire.command("history", channel=channel))["history"]
    assert set(history) == {"publications", "epoch", "offset"}
    assert (history["publications"], history["offset"]) == ([], 0)
    subscribed = (await wire.command("subscribe", channel=channel))["subscribe"]
    assert subscribed == {"recoverable": True, "positioned": True, "epoch": history["epoch"]}
    subscribed = (await wire.command("subscribe", channel=f"live:{channel[5:]}"))["subscribe"]
    assert subscribed == {}


async def test_leaving_is_answered_even_where_one_never_was(wire: WireClient, channel: str) -> None:
    assert await wire.command("unsubscribe", channel=channel) == {"id": 2, "unsubscribe": {}}


async def test_subscribing_twice_is_an_error(wire: WireClient, channel: str) -> None:
    await wire.command("subscribe", channel=channel)
    reply = await wire.command("subscribe", channel=channel)
    assert reply == {"id": 3, "error": {"code": 105, "message": "already subscribed"}}


async def test_a_name_that_is_too_long_is_a_bad_request(wire: WireClient) -> None:
    for method in ("subscribe", "publish", "presence", "history"):
        reply = await wire.command(method, channel="chat:" + "x" * 251, data=1)
        assert reply["error"]["code"] == 107


async def test_one_channel_too_many_is_over_the_limit(make_hub: MakeHub) -> None:
    hub = make_hub({"client": {"channels_max": 2}})
    hub.start()
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann"))
        for number in range(2):
            assert "subscribe" in await wire.command("subscribe", channel=f"live:{number}")
        reply = await wire.command("subscribe", channel="live:2")
        assert reply["error"]["code"] == 106
        await wire.command("unsubscribe", channel="live:0")
        assert "subscribe" in await wire.command("subscribe", channel="live:2")


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        ('{"id":2,"connect":{}}', 3501),
        ('{"id":2,"subscribe":{}}', 3501),
        ('{"id":2,"subscribe":{"channel":""}}', 3501),
        ('{"id":2,"publish":{"data":1}}', 3501),
        ('{"id":2,"refresh":{"token":""}}', 3501),
        ('{"id":2,"refresh":{"token":"x"}}', 3500),
        ('{"id":2,"ping":{}}', 3501),
        ('{"subscribe":{"channel":"chat:x"}}', 3501),
        ('{"send":{"data":1}}', 3508),
        ('{"id":-1,"rpc":{}}', 3501),
        ('{"id":2,"rpc":{}}{"id":3,"rpc":{}}', 3501),
        ('{"id":2,"subscribe":{"channel":7}}', 3501),
    ],
)
async def test_what_the_protocol_forbids_closes_the_connection(
    wire: WireClient, commands: str, code: int
) -> None:
    await wire.send_text(commands)
    assert (await wire.closed())[0] == code


async def test_extra_pongs_are_forgiven(wire: WireClient) -> None:
    await wire.send_text("{}\n{}")
    assert "error" in await wire.command("rpc", **{"method": "m"})


async def test_a_recovery_answers_with_the_position_it_was_asked_from(
    hub: HubProcess, wire: WireClient, api: ServerApi, channel: str
) -> None:
    for number in range(1, 6):
        position = await api.call("publish", channel=channel, data=number)
    epoch = position["epoch"]
    reply = await wire.command("subscribe", channel=channel, recover=True, offset=3, epoch=epoch)
    assert reply["subscribe"] == {
        "recoverable": True,
        "positioned": True,
        "epoch": epoch,
        "publications": [{"data": 4, "offset": 4}, {"data": 5, "offset": 5}],
        "recovered": True,
        "was_recovering": True,
        "offset": 3,
    }


@pytest.mark.parametrize("since", [{"offset": 9}, {"offset": 1, "epoch": "another"}])
async def test_what_cannot_be_recovered_is_denied(
    wire: WireClient, api: ServerApi, channel: str, since: dict[str, object]
) -> None:
    epoch = (await api.call("publish", channel=channel, data=1))["epoch"]
    position = {"epoch": epoch} | since
    # Flag 2 asks for an error in place of a subscription from now on.
    reply = await wire.command("subscribe", channel=channel, recover=True, flag=2, **position)
    assert reply["error"]["code"] == 112
    reply = await wire.command("subscribe", channel=channel, recover=True, **position)
    assert reply["subscribe"] == {
        "recoverable": True,
        "positioned": True,
        "epoch": epoch,
        "was_recovering": True,
        "offset": 1,
    }


async def test_history_is_capped_for_clients(make_hub: MakeHub, channel: str) -> None:
    hub = make_hub({"client": {"history_max": 3}})
    hub.start()
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann"))
        for number in range(5):
            await wire.command("publish", channel=channel, data=number)
        for limit, count in ((-1, 3), (100, 3), (2, 2), (0, 0)):
            history = (await wire.command("history", channel=channel, limit=limit))["history"]
            assert len(history["publications"]) == count
            assert history["offset"] == 5


async def test_line_breaks_in_data_do_not_break_the_framing(wire: WireClient, channel: str) -> None:
    await wire.command("subscribe", channel=channel)
    await wire.send_text(
        f'{{"id":9,"publish":{{"channel":"{channel}","data":{{"a": 1,\r"b":2}}}}}}'
    )
    assert "publish" in await wire.reply(9)
    assert (await wire.push("pub", channel))["data"] == {"a": 1, "b": 2}


async def test_a_guest_may_only_what_guests_may(make_hub: MakeHub) -> None:
    options = {"subscribe": ["guest"], "publish": ["user"], "presence": True}
    hub = make_hub({"auth": {"anonymous": True}, "namespaces": {"lobby": options}})
    hub.start()
    async with open_wire(hub.websocket_url) as wire:
        assert "connect" in await wire.connect()
        assert "subscribe" in await wire.command("subscribe", channel="lobby:x")
        for method in ("publish", "presence"):
            reply = await wire.command(method, channel="lobby:x", data=1)
            assert reply["error"]["code"] == 103
        assert (await wire.command("subscribe", channel="chat:x"))["error"]["code"] == 103
