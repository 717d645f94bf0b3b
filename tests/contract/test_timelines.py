"""Timelines on every store: a random hour of a few users, against a naive merge."""

import random
from typing import cast

import pytest

from realtime.chat.around import Around
from realtime.chat.calls.users import BlockUser
from realtime.chat.doorkeeper import Doorkeeper
from realtime.chat.ledger import Ledger
from realtime.chat.memberships import KeptMemberships
from realtime.chat.ports import ChatStore
from realtime.settings.schema import ChatSettings
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import FEED, ChatParts, KeepingStage, ManualClock, Unlimited
from tests.support.feeds import NAMESPACE, FeedNode, make_node

USERS = ("ann", "bob", "cyn", "dan", "eve")


def parts_on(store: ChatStore) -> ChatParts:
    """Chat's parts over a store."""
    clock = ManualClock()
    stage = KeepingStage(store, {NAMESPACE: FEED})
    memberships = KeptMemberships(store, clock)
    around = Around(
        store=store,
        stage=stage,
        memberships=memberships,
        clock=clock,
        settings=ChatSettings(fanout_followers_max=2),
        ledger=Ledger(store, stage, clock),
        doorkeeper=Doorkeeper(store, stage, memberships, clock),
        allowances=Unlimited(),
    )
    return ChatParts(around, stage, clock, cast(SQLiteStore, store), memberships)


class Hour:
    """What is done at random, and what must come of it."""

    def __init__(self, node: FeedNode, parts: ChatParts, seed: int) -> None:
        self.node = node
        self.parts = parts
        self.chance = random.Random(seed)  # noqa: S311 - who does what
        self.follows: set[tuple[str, str]] = set()
        self.blocks: set[tuple[str, str]] = set()
        self.posts: dict[str, tuple[str, int]] = {}
        self.ids = 0

    async def step(self) -> None:
        """One of the things that users and time do."""
        self.parts.clock.now_ms += self.chance.choice((1, 1, 1_500, 61_000))
        self.ids += 1
        user, other = self.chance.sample(USERS, 2)
        match self.chance.randrange(12):
            case 0 | 1 | 2:
                if not {(user, other), (other, user)} & self.blocks:
                    await self.node.follow(user, other)
                    self.follows.add((user, other))
            case 3:
                await self.node.unfollow(user, other)
                self.follows.discard((user, other))
            case 4 if self.ids % 3 == 0:
                await self.node.perform("user.block", user, BlockUser(other))
                self.blocks.add((user, other))
                self.follows -= {(user, other), (other, user)}
            case 5 if self.posts:
                place = self.chance.choice(sorted(self.posts))
                author, offset = self.posts.pop(place)
                await self.node.delete(author, offset, f"delete-{self.ids}")
            case 6:
                await self.node.settle()
                await self.node.feeds.fan_out.sweep()
            case _:
                posted = await self.node.post(user, f"post-{self.ids}")
                self.posts[posted.place] = user, posted.offset

    async def check(self, user: str) -> None:
        """Every page."""
        expected = [
            place for place, (author, _) in self.posts.items() if (user, author) in self.follows
        ]
        found = await self.node.whole_timeline(user, self.chance.choice((1, 3, 50)))
        assert found == sorted(expected, reverse=True)


@pytest.mark.parametrize("seed", range(3))
async def test_every_timeline_is_the_merge_of_what_is_followed(store: ChatStore, seed: int) -> None:
    parts = parts_on(store)
    node = make_node(parts)
    hour = Hour(node, parts, seed)
    for step in range(90):
        await hour.step()
        if step % 5 == 0:
            await hour.check(USERS[step // 5 % len(USERS)])
    for user in USERS:
        await hour.check(user)
