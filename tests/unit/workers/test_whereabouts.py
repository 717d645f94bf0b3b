"""What users are, by the rows of the nodes that live."""

from collections.abc import Collection, Mapping

import pytest

import workers.whereabouts as whereabouts
from realtime.chat.devices import Here
from realtime.rows import HERE
from tests.support.counted_tables import CountedTables
from tests.unit.workers.worker_house import opened, put
from workers.whereabouts import ClusterWhereabouts, HubWhereabouts


async def test_a_user_is_the_best_of_what_living_nodes_say() -> None:
    async with opened() as store:
        for user, node, state in (
            ("bob", "n1", "away"),
            ("bob", "n2", "background"),
            ("bob", "dead", "active"),
            ("eve", "n1", "active"),
            ("joe", "dead", "active"),
            ("kim", "n1", "of a later version"),
            ("zoe", "n1", "active"),
        ):
            await put(store, HERE, user, node, state=state, since=1)
        counted = CountedTables(store)
        cluster = ClusterWhereabouts(counted, lambda: {"n1", "n2"})
        states = await cluster.states(["bob", "eve", "joe", "kim", "lou"])
        assert states == {"bob": "background", "eve": "active"}
        assert counted.calls == {"find": 1}
        assert await cluster.states([]) == {}


async def test_rows_of_very_many_dead_nodes_hide_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "NODES_EACH", 1)
    monkeypatch.setattr(whereabouts, "MORE", 1)
    async with opened() as store:
        for user in ("bob", "eve", "joe"):
            for node in range(7):
                await put(store, HERE, user, f"dead{node}", state="active", since=1)
            await put(store, HERE, user, "n1", state="away", since=1)
        cluster = ClusterWhereabouts(store, lambda: {"n1"})
        everybody = {"bob": "away", "eve": "away", "joe": "away"}
        assert await cluster.states(["joe", "bob", "eve"]) == everybody
        assert await cluster.states(["bob"]) == {"bob": "away"}


async def test_in_one_process_the_hub_is_asked() -> None:
    async def here(users: Collection[str]) -> Mapping[str, Here]:
        return {user: Here("background", 1) for user in users if user != "eve"}

    states = await HubWhereabouts(here).states(["bob", "eve"])
    assert states == {"bob": "background"}
