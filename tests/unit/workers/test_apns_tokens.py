"""A provider token is made once, used for 50 minutes, shared, and replaced with restraint."""

import asyncio

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from realtime.settings.secret import Secret
from tests.support.apns import SetClock, make_pem
from workers.providers.apns import tokens as module
from workers.providers.apns.key import ProviderKey
from workers.providers.apns.tokens import MemoryToken, Tokens

PEM = make_pem()
MINUTE_S = 60


def key(*, key_id: str = "KEY1234567", team_id: str = "TEAM123456", pem: str = PEM) -> ProviderKey:
    """The key of these tests, or one like it."""
    return ProviderKey(Secret(pem), key_id=key_id, team_id=team_id)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


async def test_a_token_says_who_made_it_and_when(clock: SetClock) -> None:
    token = await Tokens(key(), MemoryToken(), clock=clock).current()
    assert jwt.get_unverified_header(token.text) == {
        "alg": "ES256",
        "kid": "KEY1234567",
        "typ": "JWT",
    }
    public = serialization.load_pem_private_key(PEM.encode(), password=None).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    claims = jwt.decode(token.text, public, ["ES256"], options={"verify_iat": False})
    assert claims == {"iss": "TEAM123456", "iat": clock.wall_ms() // 1000}
    assert token.text not in repr(token)


async def test_a_token_is_used_for_fifty_minutes(clock: SetClock) -> None:
    tokens = Tokens(key(), MemoryToken(), clock=clock)
    first = await tokens.current()
    clock.advance(49 * MINUTE_S)
    assert await tokens.current() == first
    clock.advance(1 * MINUTE_S)
    second = await tokens.current()
    assert second.iat == first.iat + 50 * MINUTE_S


async def test_many_callers_at_once_make_one_token(clock: SetClock) -> None:
    class CountedToken(MemoryToken):
        puts = 0

        async def put(self, token: str, iat: int, ttl: int) -> None:
            self.puts += 1
            await asyncio.sleep(0)
            await super().put(token, iat, ttl)

    shared = CountedToken()
    tokens = Tokens(key(), shared, clock=clock)
    assert len(set(await asyncio.gather(*(tokens.current() for _ in range(50))))) == 1
    assert shared.puts == 1


async def test_workers_use_one_token(clock: SetClock) -> None:
    shared = MemoryToken()
    first = await Tokens(key(), shared, clock=clock).current()
    clock.advance(30 * MINUTE_S)
    assert await Tokens(key(), shared, clock=clock).current() == first


async def test_workers_that_make_one_at_the_same_moment_agree(clock: SetClock) -> None:
    class MeetingToken(MemoryToken):
        """Both find nothing before either has put anything."""

        def __init__(self) -> None:
            super().__init__()
            self.barriers = [asyncio.Barrier(2), asyncio.Barrier(2)]

        async def get(self) -> tuple[str, int] | None:
            if self._kept is None:
                await self.barriers[0].wait()
                return None
            return await super().get()

        async def put(self, token: str, iat: int, ttl: int) -> None:
            await super().put(token, iat, ttl)
            await self.barriers[1].wait()

    shared = MeetingToken()
    both = [Tokens(key(), shared, clock=clock) for _ in range(2)]
    first, second = await asyncio.gather(*(tokens.current() for tokens in both))
    assert first == second


@pytest.mark.parametrize("strange", ["", "a.b.c", "é", "stale", "future", "team", "key", "other"])
async def test_a_shared_copy_that_is_not_ours_for_now_is_not_used(
    clock: SetClock, strange: str
) -> None:
    now = clock.wall_ms() // 1000
    texts = {
        "stale": key().sign(now - 50 * MINUTE_S).text,
        "future": key().sign(now + 2 * MINUTE_S).text,
        "team": key(team_id="ANOTHERTEA").sign(now).text,
        "key": key(key_id="ANOTHERKEY").sign(now).text,
        "other": key(pem=make_pem()).sign(now).text,
    }
    shared = MemoryToken()
    await shared.put(texts.get(strange, strange), now, 3000)
    token = await Tokens(key(), shared, clock=clock).current()
    assert token.iat == now
    assert token.text != texts.get(strange, strange)


async def test_a_shared_copy_that_does_not_answer_is_done_without(
    clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging(MemoryToken):
        async def get(self) -> tuple[str, int] | None:
            await asyncio.Event().wait()
            return None

        async def put(self, token: str, iat: int, ttl: int) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(module, "SHARED_TIMEOUT_S", 0.01)
    tokens = Tokens(key(), Hanging(), clock=clock)
    async with asyncio.timeout(5):
        assert await tokens.current() == await tokens.current()


async def test_a_refused_token_is_replaced_once_in_twenty_minutes(clock: SetClock) -> None:
    tokens = Tokens(key(), MemoryToken(), clock=clock)
    first = await tokens.current()
    second = await tokens.renew(first, expired=False)
    assert second is not None and second != first
    for _ in range(3):
        clock.advance(6 * MINUTE_S)
        assert await tokens.renew(second, expired=False) is None
    clock.advance(2 * MINUTE_S)
    assert await tokens.renew(second, expired=False) not in {None, second}


async def test_those_who_were_refused_the_same_token_get_the_same_new_one(clock: SetClock) -> None:
    tokens = Tokens(key(), MemoryToken(), clock=clock)
    first = await tokens.current()
    renewed = await asyncio.gather(*(tokens.renew(first, expired=False) for _ in range(20)))
    assert len(set(renewed)) == 1
    assert renewed[0] not in {None, first}


async def test_a_token_that_has_aged_is_replaced_whenever_that_is(clock: SetClock) -> None:
    tokens = Tokens(key(), MemoryToken(), clock=clock)
    token = await tokens.current()
    for _ in range(3):
        tokens.accepted(token)
        clock.advance(1)
        renewed = await tokens.renew(token, expired=True)
        assert renewed is not None and renewed != token
        token = renewed


async def test_a_clock_that_is_wrong_makes_no_stream_of_tokens(clock: SetClock) -> None:
    tokens = Tokens(key(), MemoryToken(), clock=clock)
    token = await tokens.renew(await tokens.current(), expired=True)
    assert token is not None
    assert await tokens.renew(token, expired=True) is None


async def test_a_refused_token_is_replaced_by_what_the_others_use(clock: SetClock) -> None:
    shared = MemoryToken()
    ours = Tokens(key(), shared, clock=clock)
    first = await ours.current()
    theirs = await Tokens(key(), shared, clock=clock).renew(first, expired=False)
    assert await ours.renew(first, expired=False) == theirs


async def test_a_token_that_changes_too_often_gives_way_to_the_others(clock: SetClock) -> None:
    shared = MemoryToken()
    ours = Tokens(key(), shared, clock=clock)
    first = await ours.current()
    await ours.agree(first)
    assert await ours.current() == first
    theirs = key().sign(clock.wall_ms() // 1000)
    await shared.put(theirs.text, theirs.iat, 3000)
    await ours.agree(first)
    assert await ours.current() == theirs


async def test_a_clock_that_was_set_back_makes_a_new_token(clock: SetClock) -> None:
    tokens = Tokens(key(), MemoryToken(), clock=clock)
    await tokens.current()
    clock.set_back(3600)
    assert (await tokens.current()).iat == clock.wall_ms() // 1000


def test_what_is_no_key_of_apples_is_refused_and_not_repeated() -> None:
    rsa_pem = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )
    for pem in ("", "secret", PEM.replace("M", "N"), rsa_pem, make_pem(ec.SECP384R1())):
        with pytest.raises(ValueError, match="P-256") as caught:
            key(pem=pem)
        assert "secret" not in str(caught.value)
    assert repr(key()) == "<ProviderKey KEY1234567>"
