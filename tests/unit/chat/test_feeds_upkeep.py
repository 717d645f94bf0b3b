"""How many copies of posts a timeline keeps, and who removes those of what is gone."""

import pytest

from realtime.chat import upkeep
from tests.support.feeds import feed_node
from tests.unit.chat.test_feeds_fanout import DAY_MS, copies, look, post


async def test_a_timeline_keeps_so_many_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COPIES_MAX", 10)
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        await look(node, parts, "bob")
        places = []
        for day in range(4):
            places += [await post(node, parts, "ann", f"{day}-{number}") for number in range(8)]
            await node.settle()
            parts.clock.now_ms += DAY_MS
            await look(node, parts, "bob")
            assert await node.whole_timeline("bob", 3) == places[::-1]
        # Ten that count, and those that a page begun before may still have counted on.
        assert await copies(parts, "bob") == places[-18:]


async def test_copies_of_deleted_posts_are_removed_by_who_comes_across_them() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        await look(node, parts, "bob")
        places = [await post(node, parts, "ann", str(number)) for number in range(3)]
        await node.settle()
        await node.delete("ann", 2, "delete")
        assert await copies(parts, "bob") == places
        assert await node.whole_timeline("bob") == [places[2], places[0]]
        await node.settle()
        assert await copies(parts, "bob") == [places[0], places[2]]
