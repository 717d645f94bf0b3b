"""Revocations, claims, leases and presence, where answers are lost and rows are old or strange."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest
from pymongo.errors import AutoReconnect

from realtime.errors import StoreCorrupt, StoreError
from realtime.model import ClientInfo, Revocation
from realtime.stores.base import NodeInfo, PresenceEntry
from realtime.stores.mongo import MongoStore, claims, nodes, presence, revocations
from realtime.stores.mongo.client import Collection, Database, Document
from realtime.stores.mongo.documents import encode
from tests.support.log_entries import NOW
from tests.unit.stores.mongo.losing import losing

FAR_MS = NOW * 10
INFO = NodeInfo("n", "1")

EVERYTHING = Revocation(
    user="ann",
    jti="",
    before=5,
    at=NOW,
    until=FAR_MS,
    act="disconnect",
    channel="a\x00",
    client="c",
    whitelist=("x", "$ne", "\x00"),
    code=3503,
    reason="why",
)


# Revocations


async def test_a_revocation_comes_back_with_all_its_fields(mongo_store: MongoStore) -> None:
    seq = await mongo_store.revoke(EVERYTHING)
    (row,) = await mongo_store.revocations(after=0, limit=9, now_ms=NOW)
    assert row == msgspec.structs.replace(EVERYTHING, seq=seq)


async def test_a_revocation_whose_answer_was_lost_is_there_once(database: Database) -> None:
    rows = losing(database.revocations, "insert_one")
    assert await revocations.insert(rows, EVERYTHING, for_s=5.0) == 1
    assert await revocations.insert(database.revocations, EVERYTHING, for_s=5.0) == 2
    found = await revocations.select(database.revocations, after=0, limit=9, now_ms=NOW)
    assert [row.seq for row in found] == [1, 2]


async def test_a_store_that_stays_away_is_given_up(database: Database) -> None:
    lost = losing(database.revocations, "insert_one", times=1000)
    lost = losing(lost, "find_one", times=1000)
    with pytest.raises(AutoReconnect):
        await revocations.insert(lost, EVERYTHING, for_s=0.2)


async def test_old_revocations_go_but_never_the_highest(
    mongo_store: MongoStore, database: Database
) -> None:
    for number in range(5):
        await mongo_store.revoke(Revocation(user=f"{number}", at=NOW, until=NOW + 10))
    passed = NOW + 10 + revocations.KEPT_MS
    assert await mongo_store.revoke(Revocation(user="new", at=passed - 1)) == 6
    assert len(await database.revocations.find({}).to_list()) == 6
    assert await mongo_store.revoke(Revocation(user="new", at=passed)) == 7
    left = [row["_id"] for row in await database.revocations.find({}).sort("_id", 1).to_list()]
    assert left == [6, 7]


class Stalled:
    """A collection whose first insert comes to nothing, or to no answer, and takes an hour: `clock`
    tells, and `meanwhile` is what others do."""

    def __init__(
        self, rows: Collection, meanwhile: Callable[[], Awaitable[object]], *, is_done: bool
    ) -> None:
        self.now_s = 0.0
        self._rows = rows
        self._meanwhile = meanwhile
        self._is_done = is_done

    def clock(self) -> float:
        return self.now_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    async def insert_one(self, document: Document) -> None:
        if self.now_s or self._is_done:
            await self._rows.insert_one(document)
        if not self.now_s:
            await self._meanwhile()
            self.now_s = 3600.0
            raise AutoReconnect("connection closed")


async def insert_stalled(stalled: Stalled) -> int:
    return await revocations.insert(
        cast(Collection, stalled), EVERYTHING, for_s=5.0, clock=stalled.clock
    )


async def test_a_seq_that_was_freed_during_a_stall_is_not_given_again(database: Database) -> None:
    """Others have applied what came after it, and would never see it."""
    rows = database.revocations

    async def meanwhile() -> None:
        brief = Revocation(user="bob", at=NOW, until=NOW + 1)
        assert await revocations.insert(rows, brief, for_s=5.0) == 1
        for seq in (2, 3):
            late = Revocation(user="eve", at=NOW + 1 + revocations.KEPT_MS)
            assert await revocations.insert(rows, late, for_s=5.0) == seq
        assert await rows.find_one({"_id": 1}) is None

    assert await insert_stalled(Stalled(rows, meanwhile, is_done=False)) == 4


async def test_what_was_stored_before_a_stall_is_not_stored_again(database: Database) -> None:
    rows = database.revocations

    async def meanwhile() -> None:
        assert await revocations.insert(rows, Revocation(user="bob", at=NOW), for_s=5.0) == 2

    assert await insert_stalled(Stalled(rows, meanwhile, is_done=True)) == 1
    assert len(await rows.find({}).to_list()) == 2


async def test_a_revocation_of_a_later_version_holds_up_no_other(
    mongo_store: MongoStore, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await mongo_store.revoke(Revocation(user="ann", at=NOW))
    strange = {"user": "bob", "act": "exile", "at": NOW, "galaxy": {"x": 1}}
    known = {"user": "eve", "act": "ban", "at": NOW, "galaxy": {"x": 1}}
    for seq, row in ((2, strange), (3, known)):
        await database.revocations.insert_one(
            {"_id": seq, "by": "", "until": 0, "row": encode(row)}
        )
    found = await mongo_store.revocations(after=0, limit=9, now_ms=NOW)
    assert [(row.seq, row.user, row.act) for row in found] == [
        (1, "ann", "tokens"),
        (2, "", "unknown"),
        (3, "eve", "ban"),
    ]
    assert "revocation 2 is of a later version" in caplog.text
    assert "bob" not in caplog.text


# Claims


async def claim(database: Database, digest: bytes, now_ms: int = NOW) -> bytes | None:
    return await claims.claim(
        database.claims, "s", "k", digest, until_ms=now_ms + 10, now_ms=now_ms, for_s=5.0
    )


async def test_a_claim_whose_answer_was_lost_is_yours(database: Database) -> None:
    lost = losing(database.claims, "insert_one")
    answer = await claims.claim(lost, "s", "k", b"1", until_ms=NOW + 10, now_ms=NOW, for_s=5.0)
    assert answer is None
    assert await claim(database, b"2") == b"1"


async def test_an_old_claim_that_is_taken_over_with_a_lost_answer_is_yours(
    database: Database,
) -> None:
    """By a text: NX-27017 finds nothing by an ObjectId that is not in `_id`."""
    assert await claim(database, b"1") is None
    later = NOW + 100
    lost = losing(database.claims, "update_one")
    answer = await claims.claim(lost, "s", "k", b"2", until_ms=later + 10, now_ms=later, for_s=5.0)
    assert answer is None
    assert await claim(database, b"3", later) == b"2"


async def test_old_claims_are_swept_by_later_ones(
    mongo_store: MongoStore, database: Database
) -> None:
    for number in range(claims.SWEEP_EVERY * 2 + 1):
        await mongo_store.claim("a", f"{number}", b"1", until_ms=1)
    assert len(await database.claims.find({}).to_list()) <= claims.SWEEP_EVERY + 1


# Nodes


async def test_a_node_registers_again_after_a_lost_answer(database: Database) -> None:
    with pytest.raises(AutoReconnect):
        await nodes.register(losing(database.nodes, "insert_one"), "n", INFO)
    await nodes.register(database.nodes, "n", INFO)
    assert [lease.beat for lease in await nodes.leases(database.nodes)] == [1]


async def test_an_id_that_was_used_is_refused(mongo_store: MongoStore) -> None:
    await mongo_store.register("n", INFO)
    await mongo_store.beat("n", INFO)
    with pytest.raises(StoreError, match="used before"):
        await mongo_store.register("n", INFO)


async def test_a_task_is_had_by_who_took_it_with_a_lost_answer(database: Database) -> None:
    with pytest.raises(AutoReconnect):
        await nodes.take(losing(database.tasks, "insert_one"), "t", "n", before="")
    assert await nodes.take(database.tasks, "t", "n", before="")
    assert not await nodes.take(database.tasks, "t", "m", before="")


async def test_a_lease_of_a_later_version_is_read_and_a_broken_one_named(
    mongo_store: MongoStore, database: Database
) -> None:
    await mongo_store.register("n", INFO)
    later = encode({"name": "n", "version": "9", "moon": 1})
    await database.nodes.update_many({}, {"$set": {"info": later, "moon": 2}})
    assert [lease.info.version for lease in await mongo_store.nodes()] == ["9"]
    await database.nodes.update_many({}, {"$set": {"info": b"\xff"}})
    with pytest.raises(StoreCorrupt, match="nodes: "):
        await mongo_store.nodes()


# Presence


def entry(number: int) -> PresenceEntry:
    return PresenceEntry("n", "a", ClientInfo("ann", f"c{number}"))


async def test_what_a_call_has_removed_it_answers_though_the_rest_failed(
    database: Database,
) -> None:
    """Or nobody would ever announce those leaves; what it could not remove, the next call does."""
    entries = [entry(number) for number in range(6)]
    await presence.change(database.presence, put=entries, remove=())
    taken = await presence.take_away(losing(database.presence, "delete_one", times=2), entries)
    assert len(taken) == 4
    with pytest.raises(AutoReconnect):
        await presence.take_away(losing(database.presence, "delete_one", times=9), entries)


async def test_more_changes_than_one_call_may_make_are_refused(mongo_store: MongoStore) -> None:
    with pytest.raises(ValueError, match="1001 changes, at most 1000"):
        await mongo_store.change_presence(put=[entry(number) for number in range(1001)], remove=())


async def test_an_entry_that_makes_no_sense_is_named(
    mongo_store: MongoStore, database: Database
) -> None:
    await mongo_store.change_presence(put=[entry(1)], remove=())
    await database.presence.update_many({}, {"$set": {"info": b"\xff"}})
    with pytest.raises(StoreCorrupt, match="presence: "):
        await mongo_store.present("a", limit=1)
