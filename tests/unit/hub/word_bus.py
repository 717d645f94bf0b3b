"""Nodes on one bus whose words to each other wait until the test has them arrive, if at all."""

import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

from realtime.brokers.base import ControlMessage
from realtime.brokers.memory import MemoryBroker, MemoryBus
from tests.support.faulty_store import FaultyStore
from tests.support.hub import MovableClock, Node, running, settled
from tests.support.memory_store import MemoryStore


class Word(NamedTuple):
    """A word on its way to one node."""

    broker: "WordBroker"
    message: ControlMessage


class WordBroker(MemoryBroker):
    """One node's end of the bus. `node` is known only once the hub is."""

    def __init__(self, bus: MemoryBus, words: list[Word], everybody: "list[WordBroker]") -> None:
        super().__init__(bus)
        self._words = words
        self._everybody = everybody
        everybody.append(self)

    def control(self, message: ControlMessage, *, to: str | None = None) -> None:
        """Have the word wait."""
        for broker in self._everybody:
            if broker is not self and to in (None, broker.node):
                self._words.append(Word(broker, message))


class WordBus:
    """The nodes, and the words that are on their way, oldest first."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.words: list[Word] = []

    async def arrive(self, place: int = 0, *, keep: bool = False) -> None:
        """Have one word arrive; `keep`: it will arrive again."""
        word = self.words[place] if keep else self.words.pop(place)
        word.broker.deliver_control(word.message)
        await settled()

    async def arrive_all(self) -> None:
        """Have all words arrive in their order, and those that they lead to."""
        await settled()
        while self.words:
            await self.arrive()

    def kinds(self) -> list[str]:
        """What the words are that are on their way."""
        return [word.message.kind for word in self.words]


@contextlib.asynccontextmanager
async def nodes_on_a_word_bus(count: int) -> AsyncIterator[WordBus]:
    """So many nodes, running. Their clocks differ by hours, and go on as each test wants."""
    found, bus, store = WordBus(), MemoryBus(), FaultyStore(MemoryStore())
    everybody: list[WordBroker] = []
    async with contextlib.AsyncExitStack() as stack:
        for number in range(count):
            broker = WordBroker(bus, found.words, everybody)
            clock = MovableClock()
            clock.move(5_000.0 * number)
            node = await stack.enter_async_context(running(store=store, broker=broker, clock=clock))
            broker.node = node.hub.node
            found.nodes.append(node)
        yield found
