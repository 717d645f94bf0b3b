"""Tokens of an identity provider whose keys must be fetched, change, or cannot be had."""

import asyncio
import json

import pytest

from realtime.auth.jwks import FRESH_S, KEEP_S, NO_KEYS, RETRY_S
from realtime.auth.keys import FixedKeys
from realtime.auth.tokens import TokenRules
from realtime.hub.identities import Credentials
from tests.support.configuration import HMAC_SECRET
from tests.support.hub import Node, running, settled
from tests.support.peer import Document, Peer, error
from tests.unit.auth.minting import PrivateKey, ec_key, ed25519_key, jwk, sign

KEYS: dict[str, tuple[PrivateKey, str]] = {
    "old": (ec_key(), "ES256"),
    "new": (ed25519_key(), "EdDSA"),
}


class Provider:
    """An identity provider: what it publishes, whether it answers, and how often it was asked."""

    def __init__(self, *kids: str, url: str = "https://provider.test/keys") -> None:
        self.kids = kids
        self.url = url
        self.down: Exception | None = None
        self.fetches = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self) -> bytes:
        """See JwksSource."""
        self.fetches += 1
        await self.gate.wait()
        if self.down is not None:
            raise self.down
        return json.dumps({"keys": [jwk(KEYS[kid][0], kid=kid) for kid in self.kids]}).encode()


def token(kid: str, **claims: object) -> str:
    """A token signed with that key."""
    key, algorithm = KEYS[kid]
    return sign({"sub": "alice", **claims}, key, algorithm, kid=kid)


def connecting(node: Node, text: str) -> tuple[Peer, int]:
    """A connect that may take a while."""
    peer = node.peer()
    return peer, peer.send("connect", token=text)


async def connect(node: Node, text: str) -> Document | int:
    """The reply to a connect, or the code that the connection is closed with."""
    peer, number = connecting(node, text)
    await settled()
    return peer.code if peer.code is not None else await peer.reply(number)


def is_good(outcome: Document | int) -> bool:
    """Whether the connect succeeded."""
    return isinstance(outcome, dict) and "connect" in outcome


def refused(outcome: Document | int) -> int:
    """The code of the error reply to a connect."""
    assert isinstance(outcome, dict), outcome
    return error(outcome)


async def test_the_keys_are_fetched_once_for_the_first_tokens() -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        provider.gate.clear()
        waiting = [connecting(node, token("old", jti=str(number))) for number in range(10)]
        await settled()
        assert provider.fetches == 1
        provider.gate.set()
        for peer, number in waiting:
            assert is_good(await peer.reply(number))
        assert is_good(await connect(node, token("old")))
        assert provider.fetches == 1


async def test_a_key_that_is_not_known_is_fetched_once() -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        await connect(node, token("old"))
        node.clock.move(RETRY_S + 1)
        provider.kids = ("old", "new")
        assert is_good(await connect(node, token("new")))
        assert is_good(await connect(node, token("old")))
        assert provider.fetches == 2


async def test_a_stranger_with_unknown_keys_costs_one_fetch_in_a_while() -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        await connect(node, token("old"))
        node.clock.move(RETRY_S + 1)
        assert await connect(node, token("new")) == 3500
        for _ in range(5):
            assert refused(await connect(node, token("new"))) == 100
        assert provider.fetches == 2


async def test_a_stranger_does_not_have_the_bearer_of_a_new_key_sent_away_for_good() -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        await connect(node, token("old"))
        node.clock.move(RETRY_S + 1)
        assert await connect(node, token("new")) == 3500
        provider.kids = ("old", "new")
        assert refused(await connect(node, token("new"))) == 100
        node.clock.move(RETRY_S + 1)
        assert is_good(await connect(node, token("new")))


async def test_a_fetch_that_began_before_the_token_came_says_nothing_about_its_key() -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        await connect(node, token("old"))
        node.clock.move(RETRY_S + 1)
        provider.gate.clear()
        stranger, _ = connecting(node, token("new"))
        await settled()
        later, number = connecting(node, token("new"))
        provider.gate.set()
        assert await stranger.closed() == 3500
        assert refused(await later.reply(number)) == 100


async def test_a_key_is_not_missing_from_a_fetch_that_failed() -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        await connect(node, token("old"))
        node.clock.move(RETRY_S + 1)
        provider.down = OSError("away")
        assert refused(await connect(node, token("new"))) == 100


async def test_who_has_a_known_key_does_not_wait_for_a_strangers() -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        await connect(node, token("old"))
        node.clock.move(RETRY_S + 1)
        provider.gate.clear()
        stranger, _ = connecting(node, token("new"))
        await settled()
        assert provider.fetches == 2
        assert is_good(await connect(node, token("old")))
        provider.gate.set()
        assert await stranger.closed() == 3500


@pytest.mark.parametrize("down", [OSError("away"), TimeoutError()])
async def test_a_provider_that_is_down_is_a_temporary_error_for_everyone(down: Exception) -> None:
    """3500 would have SDKs give up for good; the first and those behind it are told to retry."""
    provider = Provider("old")
    provider.down = down
    async with running(keys=NO_KEYS, source=provider) as node:
        for _ in range(3):
            reply = await connect(node, token("old"))
            assert isinstance(reply, dict)
            assert error(reply) == 100
            assert reply["error"]["temporary"] is True
        assert provider.fetches == 1
        provider.down = None
        node.clock.move(RETRY_S + 1)
        assert is_good(await connect(node, token("old")))


async def test_a_provider_that_publishes_nonsense_is_a_temporary_error() -> None:
    provider = Provider()
    async with running(keys=NO_KEYS, source=provider) as node:
        reply = await connect(node, token("old"))
        assert isinstance(reply, dict)
        assert error(reply) == 100


async def test_known_keys_are_used_while_the_provider_is_down_but_not_for_ever() -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        await connect(node, token("old"))
        provider.down = OSError("away")
        node.clock.move(FRESH_S + 1)
        assert is_good(await connect(node, token("old")))
        await settled()
        assert provider.fetches == 2
        node.clock.move(KEEP_S)
        reply = await connect(node, token("old"))
        assert isinstance(reply, dict)
        assert error(reply) == 100


async def test_a_key_that_was_taken_back_counts_no_longer_after_the_next_fetch() -> None:
    provider = Provider("old", "new")
    async with running(keys=NO_KEYS, source=provider) as node:
        await connect(node, token("old"))
        provider.kids = ("new",)
        node.clock.move(FRESH_S + 1)
        await connect(node, token("new"))
        await settled()
        node.clock.move(RETRY_S + 1)
        assert await connect(node, token("old")) == 3500


async def test_a_token_without_a_published_key_is_invalid_at_once() -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        assert await connect(node, node.token("alice")) == 3500


async def test_subscribe_and_refresh_wait_for_a_key_too() -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        peer, number = connecting(node, token("old"))
        await peer.reply(number)
        await peer.subscribe("chat:1", token=token("old", channel="chat:1"))
        node.clock.move(RETRY_S + 1)
        provider.kids = ("old", "new")
        await peer.subscribe("$chat:2", token=token("new", channel="$chat:2"))
        assert "refresh" in await peer.command("refresh", token=token("new"))
        sub_refresh = {"channel": "chat:1", "token": token("new", channel="chat:1")}
        assert "sub_refresh" in await peer.command("sub_refresh", **sub_refresh)


@pytest.mark.parametrize("method", ["subscribe", "refresh", "sub_refresh"])
async def test_what_waits_for_a_key_is_dropped_with_its_client(method: str) -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        peer, number = connecting(node, token("old"))
        await peer.reply(number)
        await peer.subscribe("chat:1")
        node.clock.move(RETRY_S + 1)
        provider.gate.clear()
        provider.kids = ("old", "new")
        channel = {} if method == "refresh" else {"channel": "chat:1"}
        peer.send(method, token=token("new", **channel), **(channel or {}))
        await settled()
        peer.leave()
        provider.gate.set()
        await settled()
        assert node.leaks() == []


async def test_a_connect_that_waits_for_a_key_is_dropped_with_its_client() -> None:
    provider = Provider("old")
    provider.gate = asyncio.Event()
    async with running(keys=NO_KEYS, source=provider) as node:
        peer, _ = connecting(node, token("old"))
        await settled()
        peer.leave()
        provider.gate.set()
        await settled()
        assert node.leaks() == []


async def test_new_credentials_hold_for_new_tokens_and_disconnect_nobody() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        credentials = Credentials(FixedKeys(hmac_secret="x" * 32), TokenRules())
        node.hub.use_credentials(credentials)
        assert await connect(node, node.token("alice")) == 3500
        await alice.publish("chat:1", 1)
        node.hub.use_credentials(
            Credentials(
                FixedKeys(hmac_secret="x" * 32, hmac_previous_secret=HMAC_SECRET), TokenRules()
            )
        )
        assert is_good(await connect(node, node.token("alice")))


async def test_keys_of_the_same_address_outlive_new_credentials() -> None:
    provider = Provider("old")
    async with running(keys=NO_KEYS, source=provider) as node:
        await connect(node, token("old"))
        again = Provider()
        again.down = OSError("away")
        node.hub.use_credentials(Credentials(NO_KEYS, TokenRules(), again))
        assert is_good(await connect(node, token("old")))
        elsewhere = Provider(url="https://another.test/keys")
        elsewhere.down = OSError("away")
        node.hub.use_credentials(Credentials(NO_KEYS, TokenRules(), elsewhere))
        assert refused(await connect(node, token("old"))) == 100
        assert (again.fetches, elsewhere.fetches) == (0, 1)


async def test_credentials_that_change_during_a_fetch_are_the_ones_that_count() -> None:
    provider = Provider("old")
    provider.gate.clear()
    async with running(keys=NO_KEYS, source=provider) as node:
        peer, number = connecting(node, token("old"))
        await settled()
        node.hub.use_credentials(Credentials(FixedKeys(hmac_secret=HMAC_SECRET), TokenRules()))
        provider.gate.set()
        await settled()
        assert peer.code == 3500 or error(await peer.reply(number)) == 100
        assert is_good(await connect(node, node.token("alice")))
