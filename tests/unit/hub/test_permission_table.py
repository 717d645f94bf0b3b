"""Every operation × caller × permission list × kind of channel × path, against the oracle.

The operations come from the code, so that one that the table does not know fails the test; who may
do them comes from `permission_oracle`, which knows nothing of the code.
"""

import contextlib
import inspect
from collections.abc import AsyncIterator, Iterable

import msgspec
import pytest

from realtime.hub.dispatch import Dispatch
from realtime.hub.server_api import ServerApi
from realtime.protocol import calls, commands
from realtime.protocol.calls import Call, PublishCall, RevokeCall, SubscribeCall
from realtime.protocol.commands import Request
from realtime.settings.schema import ChannelOptions, ClientSettings
from tests.support.hub import Node, make_settings, running, settled
from tests.support.peer import Document, Peer
from tests.unit.hub.permission_oracle import (
    API,
    CALLERS,
    OPERATIONS,
    Caller,
    Operation,
    Place,
    may,
    namespaces,
    places,
)

PLACES = tuple(places())
ROOM = ClientSettings(channels_max=1000, message_max_bytes=1_000_000)

# What the table asks of each request type. A command that names a channel has a permission; the
# others concern the caller's own connection or subscription, or nothing at all.
ASKS: dict[str, Operation | None] = {
    "connect": None,
    "subscribe": "subscribe",
    "unsubscribe": None,
    "publish": "publish",
    "presence": "read_presence",
    "presence_stats": "read_presence",
    "history": "read_history",
    "rpc": None,
    "send": None,
    "refresh": None,
    "sub_refresh": None,
}


def methods(base: type[Request] | type[Call], module: object) -> set[str]:
    """The wire names of all requests or calls of a module."""
    return {
        kind.method
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, base) and kind.method
    }


def test_the_table_has_much_that_is_allowed_and_much_that_is_denied() -> None:
    verdicts = [
        may(caller, operation, place, insecure=False)
        for caller in CALLERS
        for operation in OPERATIONS
        for place in PLACES
    ]
    assert min(verdicts.count(True), verdicts.count(False)) > 500


async def test_the_table_knows_every_command_and_every_operation_of_the_api() -> None:
    async with running() as node:
        dispatch = node.hub.received.__self__  # type: ignore[attr-defined]  # a bound method
        assert isinstance(dispatch, Dispatch)
        handled = {kind.method for kind in dispatch._handlers}
        assert handled == methods(Request, commands) == set(ASKS)
        operations = {
            name
            for name, member in inspect.getmembers(node.api)
            if not name.startswith("_") and inspect.iscoroutinefunction(member)
        }
        assert operations == methods(Call, calls) == API
        assert isinstance(node.api, ServerApi)


@contextlib.asynccontextmanager
async def table(*, insecure: bool) -> AsyncIterator[Node]:
    """A node with all channels of the table, one entry in each."""
    settings = make_settings(
        namespaces=namespaces(), client=ROOM, anonymous=True, insecure=insecure
    )
    async with running(settings) as node:
        for place in PLACES:
            await node.api.publish(PublishCall(channel=place.channel, data=msgspec.Raw(b"1")))
        yield node


def token(node: Node, caller: Caller, **claims: object) -> str:
    """The caller's token; "" for who has none."""
    if not caller.has_token:
        return ""
    if caller.role is not None:
        claims["role"] = caller.role
    return node.token(caller.user, **claims)  # type: ignore[arg-type]  # claims are any


async def arrive(node: Node, caller: Caller) -> Peer:
    """The caller, connected, and subscribed where it is a subscriber."""
    peer = node.peer()
    await peer.connect(token(node, caller))
    for place in PLACES:
        if caller.subscribed == "by token":
            granted = node.token(caller.user, channel=place.channel)
            await peer.subscribe(place.channel, token=granted)
        elif caller.subscribed == "by server":
            await node.api.subscribe(
                SubscribeCall(user=caller.user, client=peer.id, channel=place.channel)
            )
    return peer


async def ask(peer: Peer, commands: Iterable[tuple[str, Document]]) -> list[Document]:
    """Make all commands in one message; their replies in order."""
    numbers = peer.send_batch(*commands)
    await peer.reply(numbers[-1])
    await settled()
    by_id = {document.get("id"): document for document in peer.transport.documents}
    peer.transport.documents.clear()
    return [by_id[number] for number in numbers]


def differences(
    caller: Caller, operation: Operation, replies: list[Document], *, path: str, insecure: bool
) -> list[str]:
    """Where the hub and the oracle disagree; a refusal must be 103 and nothing else."""
    found = []
    for place, reply in zip(PLACES, replies, strict=True):
        expected = may(caller, operation, place, insecure=insecure)
        code = reply.get("error", {}).get("code")
        if code != (None if expected else 103):
            wanted = "allowed" if expected else "denied"
            found.append(f"{caller.name}: {path} in {place.channel}: {wanted} expected, got {code}")
    return found


def fields(method: str, place: Place) -> Document:
    """A command's fields."""
    more: dict[str, Document] = {"publish": {"data": 1}, "history": {"limit": 1}}
    return {"channel": place.channel, **more.get(method, {})}


INSECURE = pytest.mark.parametrize("insecure", [False, True], ids=["secure", "insecure"])


@INSECURE
async def test_publishing_and_reading_are_for_whom_the_lists_name(insecure: bool) -> None:
    async with table(insecure=insecure) as node:
        found: list[str] = []
        for caller in CALLERS:
            peer = await arrive(node, caller)
            for method, operation in ASKS.items():
                if operation in (None, "subscribe"):
                    continue
                replies = await ask(peer, [(method, fields(method, place)) for place in PLACES])
                found += differences(caller, operation, replies, path=method, insecure=insecure)
            peer.leave()
        assert found == []


@INSECURE
@pytest.mark.parametrize("recover", [False, True], ids=["new", "recovering"])
async def test_subscribing_is_for_whom_names_and_lists_allow(insecure: bool, recover: bool) -> None:
    async with table(insecure=insecure) as node:
        found: list[str] = []
        for caller in CALLERS:
            if caller.subscribed != "no":
                continue
            peer = await arrive(node, caller)
            position = {"recover": True, "offset": 0} if recover else {}
            replies = await ask(
                peer, [("subscribe", {"channel": place.channel, **position}) for place in PLACES]
            )
            found += differences(caller, "subscribe", replies, path="subscribe", insecure=insecure)
            for place, reply in zip(PLACES, replies, strict=True):
                shown = "publications" in reply.get("subscribe", {})
                if shown is not (recover and "error" not in reply):
                    found.append(f"{caller.name}: recovery in {place.channel}: {reply}")
                if (place.channel in peer.client.subscriptions) is ("error" in reply):
                    found.append(f"{caller.name}: {place.channel} is not what the reply says")
            peer.leave()
        assert found == []


@INSECURE
async def test_positions_in_a_connect_give_what_the_client_may_subscribe_to(insecure: bool) -> None:
    async with table(insecure=insecure) as node:
        found: list[str] = []
        for caller in CALLERS:
            peer = node.peer()
            subs = {place.channel: {"recover": True, "offset": 0} for place in PLACES}
            reply = await peer.connect(token(node, caller), subs=subs)
            asking = Caller(caller.name, caller.user, caller.role, caller.has_token)
            for place in PLACES:
                expected = may(asking, "subscribe", place, insecure=insecure)
                if (place.channel in reply.get("subs", {})) is not expected:
                    found.append(f"{caller.name}: {place.channel}: {expected} expected")
                if (place.channel in peer.client.subscriptions) is not expected:
                    found.append(f"{caller.name}: {place.channel} is not what the reply says")
            peer.leave()
        assert found == []


async def test_a_token_gives_its_channels_to_whoever_it_is_for() -> None:
    """The application decides what is in a token: neither lists nor names are asked (3.6)."""
    async with table(insecure=False) as node:
        for caller in CALLERS:
            if not caller.has_token:
                continue
            peer = node.peer()
            channels = [place.channel for place in PLACES]
            reply = await peer.connect(token(node, caller, channels=channels))
            assert list(reply["subs"]) == channels
            peer.leave()


async def test_a_subscription_token_opens_every_channel_to_its_user_and_to_nobody_else() -> None:
    async with table(insecure=False) as node:
        for caller in CALLERS:
            if caller.subscribed != "no":
                continue
            peer = await arrive(node, caller)
            for place in PLACES:
                await peer.subscribe(
                    place.channel, token=node.token(caller.user, channel=place.channel)
                )
            thief = await arrive(node, caller)
            thief.send(
                "subscribe",
                channel=PLACES[0].channel,
                token=node.token("somebody", channel=PLACES[0].channel),
            )
            assert await thief.closed() == 3500
            peer.leave()


OUTSIDERS = {
    "no token": ("", 3501),
    "expired token": ({"ttl_s": -1}, 109),
    "revoked user": ({"user": "revoked", "iat": 1}, 3500),
    "revoked token": ({"jti": "revoked"}, 3500),
    "subscription token": ({"channel": "none-none-open:room"}, 3500),
}


@pytest.mark.parametrize("outsider", OUTSIDERS)
@pytest.mark.parametrize("method", [method for method in ASKS if method != "connect"])
async def test_who_is_not_connected_may_nothing(outsider: str, method: str) -> None:
    claims, code = OUTSIDERS[outsider]
    everything = ChannelOptions(
        history_size=-1,
        presence=True,
        subscribe=("guest",),
        publish=("guest",),
        read_history=("guest",),
        read_presence=("guest",),
    )
    async with running(make_settings(namespaces={"all": everything})) as node:
        await node.api.revoke(RevokeCall(user="revoked"))
        await node.api.revoke(RevokeCall(jti="revoked"))
        peer = node.peer()
        named = {"user": "alice", **claims} if isinstance(claims, dict) else {}
        connect = {"token": node.token(**named)} if named else {}
        command = {"channel": "all:1", "data": 1, "token": "x.y.z"}
        # Behind the connect in one message, and again once it was refused.
        first, second = peer.send_batch(("connect", connect), (method, command))
        await settled()
        if code == 109:
            assert (await peer.reply(first))["error"]["code"] == 109
            peer.send(method, **command)
            assert await peer.closed() == 3501
        else:
            assert peer.code == code
            peer.send(method, **command)
        assert not peer.replied(second)
        assert not node.store.calls["append"]
        assert not list(node.hub.delivery)


async def test_what_is_off_is_not_available_whoever_asks() -> None:
    options = ChannelOptions(
        subscribe=("guest",),
        publish=("guest",),
        read_history=("guest",),
        read_presence=("guest",),
    )
    for insecure in (False, True):
        settings = make_settings(namespaces={"off": options}, anonymous=True, insecure=insecure)
        async with running(settings) as node:
            for caller in CALLERS:
                peer = node.peer()
                await peer.connect(token(node, caller))
                for method in ("history", "presence", "presence_stats"):
                    assert await peer.refused(method, channel="off:1") == 108
                peer.leave()


async def test_what_a_refresh_takes_away_is_gone_at_once() -> None:
    async with running() as node:
        alice = await node.connected("alice", role="admin")
        await alice.publish("unnamed", 1)
        await alice.command("refresh", token=node.token("alice"))
        assert await alice.refused("publish", channel="unnamed", data=1) == 103
        assert await alice.refused("subscribe", channel="$chat:1") == 103


async def test_what_subscribers_may_is_over_with_the_subscription() -> None:
    options = ChannelOptions(
        history_size=-1,
        presence=True,
        subscribe=("user",),
        publish=("subscriber",),
        read_history=("subscriber",),
        read_presence=("subscriber",),
    )
    async with running(make_settings(namespaces={"own": options})) as node:
        alice = await node.connected("alice")
        asked = [("publish", {"data": 1}), ("history", {}), ("presence", {})]
        for method, more in asked:
            assert await alice.refused(method, channel="own:1", **more) == 103
        await alice.subscribe("own:1")
        for method, more in asked:
            assert "error" not in await alice.command(method, channel="own:1", **more)
        await alice.command("unsubscribe", channel="own:1")
        for method, more in asked:
            assert await alice.refused(method, channel="own:1", **more) == 103
