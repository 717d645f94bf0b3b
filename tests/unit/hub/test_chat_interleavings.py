"""Rooms in which people come, go and speak at random, on two nodes over a bus that does its worst.

Whatever happens in whichever order: nobody is sent anything that follows their removal in the log,
unless they have been let in again; and who stays in misses nothing.
"""

import random
from collections.abc import Sequence
from typing import Any, Final

import pytest

from realtime.model import Retention
from tests.support.chat_hub import ChatNode, ChatPair, two_chat_nodes
from tests.support.faults import BusFaults
from tests.support.hub import settled, until
from tests.support.peer import Peer

ROOM: Final = "room:1"
USERS: Final = ("ann", "bob", "cat")
STEPS: Final = 60
FAULTS: Final = BusFaults(lose=0.15, repeat=0.1, delay=0.25)
GOING: Final = ("leave", "kick", "ban")


class Walker:
    """One user on one node, who subscribes again and again, and recovers what there was."""

    def __init__(self, chat: ChatNode, user: str) -> None:
        self.chat = chat
        self.user = user
        self.peer: Peer | None = None
        self.position: int | None = None
        self.seen: set[int] = set()
        self.breaches: list[str] = []
        self._read = 0

    async def ask(self) -> None:
        """Subscribe, from where this one was, unless subscribed; whatever the answer is."""
        if self.peer is None or self.peer.code is not None:
            self.peer, self._read = await self.chat.node.connected(self.user), 0
        if ROOM not in self.peer.client.subscriptions:
            fields: dict[str, Any] = {"channel": ROOM}
            if self.position is not None:
                fields |= {"recover": True, "offset": self.position}
            self.peer.send("subscribe", **fields)

    def look(self, members: Sequence[frozenset[str]]) -> None:
        """Take in what came; `members` are those after each offset of the log, so far."""
        peer = self.peer
        documents = peer.transport.documents if peer is not None else []
        for document in documents[self._read :]:
            push = document.get("push", {})
            if push.get("channel") == ROOM and "pub" in push:
                offset = push["pub"]["offset"]
                # Whoever is let in later may be told of what was before, by a node that is behind.
                if not any(self.user in inside for inside in members[offset - 1 :]):
                    self.breaches.append(f"{self.user} was pushed {offset}")
                self._goes_on(offset)
            elif "subscribe" in document:
                result = document["subscribe"]
                if self.user not in members[-1] and self.user not in members[-2]:
                    self.breaches.append(f"{self.user} was let in at {len(members) - 1}")
                for item in result.get("publications", ()):
                    self._goes_on(item["offset"])
                self.position = max(self.position or 0, result.get("offset", 0))
        self._read = len(documents)

    def _goes_on(self, offset: int) -> None:
        if self.position is not None and offset != self.position + 1:
            self.breaches.append(f"{self.user} was sent {offset} after {self.position}")
        self.position = offset


class Play:
    """The room as it should be: who is in after each offset."""

    def __init__(self, pair: ChatPair, seed: int) -> None:
        self.pair = pair
        self.random = random.Random(seed)  # noqa: S311 - a plan of steps, not a secret
        self.members: list[frozenset[str]] = [frozenset()]
        self.walkers = [Walker(chat, user) for chat in (pair.here, pair.there) for user in USERS]

    async def step(self) -> None:
        """Something happens, on either node."""
        chat = self.random.choice((self.pair.here, self.pair.there))
        user = self.random.choice(USERS)
        inside = self.members[-1]
        match self.random.randrange(8):
            case 0 | 1:
                await chat.say(len(self.members))
                self.members.append(inside)
            case 2 if user in inside:
                await chat.act(self.random.choice(GOING), user, until=-1)
                self.members.append(inside - {user})
            case 3 if user not in inside:
                await chat.act("unban", user)
                await chat.act("join", user, role="member")
                self.members += [inside, inside | {user}]
            case 4:
                self.pair.broker.deliver_delayed()
            case _:
                await self.random.choice(self.walkers).ask()
        await settled(self.random.choice((0, 3, 30)))
        for walker in self.walkers:
            walker.look(self.members)


@pytest.mark.parametrize("seed", range(30))
async def test_nobody_is_sent_what_follows_their_removal(seed: int) -> None:
    async with two_chat_nodes() as pair:
        pair.broker.faults = FAULTS
        play = Play(pair, seed)
        for user in USERS:
            await pair.there.act("join", user, role="member")
            play.members.append(play.members[-1] | {user})
        for _ in range(STEPS):
            await play.step()
        await _come_to_rest(play)
        assert [breach for walker in play.walkers for breach in walker.breaches] == []
        head = len(play.members) - 1
        for walker in play.walkers:
            is_in = walker.user in play.members[-1]
            assert walker.peer is not None
            assert (ROOM in walker.peer.client.subscriptions) is is_in, walker.user
            assert walker.position == head or not is_in
        page = await pair.here.node.store.inner.read(
            ROOM, limit=0, retention=Retention(-1, 0), now_ms=0
        )
        assert page.head == head


async def _come_to_rest(play: Play) -> None:
    """Nothing is lost any more, everyone asks once more, and all that can come has come."""
    pair = play.pair
    pair.broker.faults = BusFaults()
    pair.broker.deliver_delayed()
    await pair.here.node.hub.delivery.check_positions()
    for _ in range(2):
        for walker in play.walkers:
            await walker.ask()
        await until(lambda: not pair.here.node.hub.delivery._repairing)
        await _answered(play)
        for walker in play.walkers:
            walker.look(play.members)


async def _answered(play: Play) -> None:
    for walker in play.walkers:
        if walker.peer is not None:
            await walker.peer.command("unsubscribe", channel="room:none")
