"""One process of a fleet: `python -m load.process`, which a fleet starts and speaks to.

It reads its share and then orders from its input, and writes what it measures to its output. It
ends when its input does: no process outlives the fleet, however that ended.
"""

import asyncio
import contextlib
import gc
import importlib
import os
import sys
import time
import traceback
from collections.abc import Coroutine
from typing import Any, Final

import uvloop

from load.orders import LINE_BYTES_MAX, Order, Word, line, read_order, read_share
from load.recording import FOLD_S, Recorder
from load.share import Player, Share, Unplayable
from load.watch import Watch

SIGN_OF_LIFE_S: Final = 1.0
"""How often a process says that it is there when there is nothing else to say, in seconds."""

FAILURE_LENGTH_MAX: Final = 500


class Process:
    """Follows orders, one at a time."""

    def __init__(self, orders: asyncio.StreamReader, words: asyncio.StreamWriter) -> None:
        self._orders = orders
        self._words = words
        self._watch = Watch()

    async def run(self) -> None:
        """Do what is ordered, until there are no more orders."""
        player = player_of(read_share(await self._orders.readline()))
        while text := await self._orders.readline():
            order = read_order(text)
            if order.do == "setup":
                await self._step(self._setup(player))
            elif order.do == "phase":
                await self._step(self._phase(player, order))
            elif order.do == "cleanup":
                await self._step(player.cleanup())
            # A `stop` that comes after the step has ended has nothing to stop.

    async def _step(self, doing: Coroutine[Any, Any, None]) -> None:
        """Do one thing, and say how it ended. Meanwhile look out for `stop`, and for the end."""
        failed = ""
        async with asyncio.TaskGroup() as group:
            step = group.create_task(self._guarded(doing))
            others = [
                group.create_task(self._stop_when_told(step)),
                group.create_task(self._show_life()),
            ]
            with contextlib.suppress(asyncio.CancelledError):
                failed = await step
            for other in others:
                other.cancel()
        await self._say(Word(failed=failed) if failed else Word(done=True))

    async def _guarded(self, doing: Coroutine[Any, Any, None]) -> str:
        try:
            await doing
        except Exception as error:  # noqa: BLE001 - the boundary to the scenario: the run ends, in words
            if not isinstance(first_of(error), Unplayable):
                traceback.print_exc(file=sys.stderr)
            return told(error)
        return ""

    async def _stop_when_told(self, step: asyncio.Task[str]) -> None:
        text = await self._orders.readline()
        step.cancel()
        if not text:
            # The fleet is gone: nobody waits for the end of the step, or for a word of it.
            raise EOFError("the fleet has ended")

    async def _show_life(self) -> None:
        while True:
            await asyncio.sleep(SIGN_OF_LIFE_S)
            await self._say(Word())

    async def _setup(self, player: Player) -> None:
        await player.setup()
        # Looking through thousands of clients that stay takes tens of milliseconds, which would
        # be put down to the hub.
        gc.collect()
        gc.freeze()

    async def _phase(self, player: Player, order: Order) -> None:
        await asyncio.sleep(max(0.0, (order.at_ns - time.monotonic_ns()) / 1e9))
        recorder = Recorder(order.phase)
        recorder.on_restart = self._watch.start
        self._watch.start()
        try:
            async with asyncio.TaskGroup() as group:
                ticks = group.create_task(self._tick(recorder))
                await player.phase(order.phase, order.changes, recorder)
                ticks.cancel()
        finally:
            # After a `stop`, too: what ran is measured.
            self._watch.stop()
            measured = recorder.measured(self._watch.facts(recorder))
            self._words.write(line(Word(measured=measured)))

    async def _tick(self, recorder: Recorder) -> None:
        while True:
            wait_s = recorder.next_tick - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(min(wait_s, FOLD_S))
                recorder.fold()
            else:
                await self._say(Word(sample=recorder.tick()))

    async def _say(self, word: Word) -> None:
        self._words.write(line(word))
        await self._words.drain()


def first_of(error: BaseException) -> BaseException:
    """Of several errors at once, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def told(error: BaseException) -> str:
    """An error in a line; of several at once, the first."""
    error = first_of(error)
    kind = "" if isinstance(error, Unplayable) else f"{type(error).__name__}: "
    return f"{kind}{error}"[:FAILURE_LENGTH_MAX]


def player_of(share: Share) -> Player:
    """Make the player that a share names, as `module:Class`."""
    module, _, name = share.player.partition(":")
    player: Player = getattr(importlib.import_module(module), name)(share)
    return player


async def _main(words_fd: int) -> None:
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(words_fd, "wb")
    )
    words = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        await Process(orders, words).run()
    except* (EOFError, ConnectionError):
        # The fleet has ended, and this with it.
        pass


def main() -> int:
    """Be a process of a fleet."""
    # What a library writes to stdout must not end up among the words.
    words_fd = os.dup(1)
    os.dup2(2, 1)
    uvloop.run(_main(words_fd))
    return 0


if __name__ == "__main__":
    sys.exit(main())
