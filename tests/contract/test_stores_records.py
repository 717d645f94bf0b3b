"""The contract of a store, for every driver: revocations and claims."""

import asyncio
import time

import pytest

from realtime.model import Revocation
from tests.support.log_entries import NOW, Store

HOSTILE = ("", "\x00", "a\x00b", "a\x00c", "%", "_", "'", "$gt", "{}", "😀", "x" * 255)

FAR_MS = NOW * 10
"""A time that will not come."""


# Revocations


async def test_revocations_come_back_in_order_of_their_seq(store: Store) -> None:
    given = [
        Revocation(user="ann", before=NOW, at=NOW),
        Revocation(jti="token", at=NOW + 1, until=FAR_MS),
        Revocation(user="bob", before=NOW + 2, at=NOW + 2),
    ]
    seqs = [await store.revoke(revocation) for revocation in given]
    assert seqs == [1, 2, 3]
    found = await store.revocations(after=0, limit=10, now_ms=NOW)
    assert [(row.seq, row.user, row.jti, row.before, row.at, row.until) for row in found] == [
        (seq, row.user, row.jti, row.before, row.at, row.until)
        for seq, row in zip(seqs, given, strict=True)
    ]


async def test_revocations_are_read_in_pages(store: Store) -> None:
    for number in range(5):
        await store.revoke(Revocation(user=f"user {number}", at=NOW))
    first = await store.revocations(after=0, limit=2, now_ms=NOW)
    assert [row.seq for row in first] == [1, 2]
    rest = await store.revocations(after=2, limit=10, now_ms=NOW)
    assert [row.seq for row in rest] == [3, 4, 5]
    assert list(await store.revocations(after=5, limit=10, now_ms=NOW)) == []
    assert list(await store.revocations(after=0, limit=0, now_ms=NOW)) == []


async def test_a_revocation_whose_time_has_passed_is_left_out(store: Store) -> None:
    await store.revoke(Revocation(user="ann", at=NOW, until=NOW + 10))
    await store.revoke(Revocation(user="bob", at=NOW, until=0))
    assert [row.user for row in await store.revocations(after=0, limit=9, now_ms=NOW + 9)] == [
        "ann",
        "bob",
    ]
    assert [row.user for row in await store.revocations(after=0, limit=9, now_ms=NOW + 10)] == [
        "bob"
    ]


async def test_a_seq_is_never_given_twice(store: Store) -> None:
    """Not even when the newest row has been swept: a node may have applied it already."""
    assert await store.revoke(Revocation(user="ann", at=NOW, until=NOW + 10)) == 1
    assert await store.revoke(Revocation(user="bob", at=NOW + 1000)) == 2


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_users_and_token_ids_are_only_text(store: Store, text: str) -> None:
    await store.revoke(Revocation(user=text, at=NOW))
    await store.revoke(Revocation(jti=text, at=NOW))
    found = await store.revocations(after=0, limit=9, now_ms=NOW)
    assert [(row.user, row.jti) for row in found] == [(text, ""), ("", text)]


# Claims


async def test_the_first_claim_is_yours_and_a_later_one_gets_its_digest(store: Store) -> None:
    assert await store.claim("publish", "key", b"one", until_ms=FAR_MS) is None
    assert await store.claim("publish", "key", b"one", until_ms=FAR_MS) == b"one"
    assert await store.claim("publish", "key", b"two", until_ms=FAR_MS) == b"one"


async def test_claims_differ_by_scope_and_by_key(store: Store) -> None:
    assert await store.claim("a", "b", b"1", until_ms=FAR_MS) is None
    assert await store.claim("a", "c", b"2", until_ms=FAR_MS) is None
    assert await store.claim("b", "b", b"3", until_ms=FAR_MS) is None
    assert await store.claim("", "ab", b"4", until_ms=FAR_MS) is None
    assert await store.claim("ab", "", b"5", until_ms=FAR_MS) is None


async def test_a_claim_whose_time_has_passed_counts_as_absent(store: Store) -> None:
    """However many there are: old ones are swept some at a time."""
    for number in range(150):
        await store.claim("a", f"other {number}", b"1", until_ms=1)
    assert await store.claim("a", "b", b"1", until_ms=1) is None
    assert await store.claim("a", "b", b"2", until_ms=time.time_ns() // 1_000_000 + 60_000) is None
    assert await store.claim("a", "b", b"3", until_ms=FAR_MS) == b"2"


async def test_of_many_claims_at_once_one_wins(store: Store) -> None:
    digests = [bytes([number]) for number in range(20)]
    answers = await asyncio.gather(
        *[store.claim("a", "b", digest, until_ms=FAR_MS) for digest in digests]
    )
    (winner,) = [digest for digest, answer in zip(digests, answers, strict=True) if answer is None]
    assert [answer for answer in answers if answer is not None] == [winner] * 19


async def test_hostile_scopes_and_keys_are_only_text(store: Store) -> None:
    for scope in HOSTILE:
        for key in HOSTILE:
            assert await store.claim(scope, key, b"1", until_ms=FAR_MS) is None
