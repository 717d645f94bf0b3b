"""The clients of one process: opened at a rate, kept by their numbers, opened again when lost."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Final

from load.share import Share, Unplayable
from load.tokens import Tokens
from load.wire.client import Client, Opened, Refused, open_client
from load.wire.connection import Disconnected
from load.wire.listener import Listener
from load.wire.messages import ConnectRequest, SubscribeRequest
from load.wire.target import Target

AT_ONCE_MAX: Final = 200
"""Handshakes that a process has under way at most, unless a scenario says otherwise."""

TRIES: Final = 3
"""How often a client that a phase needs is opened before the run is given up."""

QUIET_S: Final = 1.0
"""What has not come when nothing has come for so long is not waited for any more."""

_POLL_S: Final = 0.02

FAILURES: Final = (OSError, Refused, TimeoutError)
"""What opening a client, and asking through one, raises for what is the hub's or the network's."""


def words_of(error: BaseException) -> str:
    """An error's kind in words that many share: no addresses and no ids."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, Refused | Disconnected):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message} (--ca-file says whom to believe)"
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or type(error).__name__
    return str(error)[:100] or type(error).__name__


class Crowd:
    """`fill` opens what is missing; `clients` has who is, or was, connected, by number.

    `subscriptions` and `listener` are asked for each client, by its number in the run.
    """

    def __init__(
        self,
        share: Share,
        *,
        listener: Callable[[int], Listener],
        subscriptions: Callable[[int], Sequence[SubscribeRequest]],
    ) -> None:
        self.clients: dict[int, Client] = {}
        self.share = share
        self._listener = listener
        self._subscriptions = subscriptions
        self._tokens = Tokens(share)
        self._targets = [Target(url, share.format, ca_file=share.ca_file) for url in share.urls]

    async def open(
        self,
        number: int,
        subscriptions: Sequence[SubscribeRequest] | None = None,
        *,
        hub: int | None = None,
    ) -> Opened:
        """Open one client, with other subscriptions than usual if given, at another hub than its
        own if that is given: round and round, any number is one. Raises `FAILURES`."""
        target = self._targets[(number if hub is None else hub) % len(self._targets)]
        sources = self.share.sources
        opened = await open_client(
            target,
            self._listener(number),
            ConnectRequest(token=self._tokens.of(number)),
            self._subscriptions(number) if subscriptions is None else subscriptions,
            source=sources[number // len(self._targets) % len(sources)] if sources else "",
        )
        self.clients[number] = opened.client
        return opened

    async def fill(self, numbers: Iterable[int], rate: float) -> list[tuple[int, Opened]]:
        """Open those of the numbers that are not connected, at most `rate` a second.

        Each is tried a few times; then the failure is raised: a run with fewer clients than it was
        asked for would look better than it is.
        """
        missing = [number for number in numbers if not self.is_open(number)]
        opened: list[tuple[int, Opened]] = []

        async def insist(number: int, due_ns: int) -> None:
            for left in reversed(range(TRIES)):
                try:
                    opened.append((number, await self.open(number)))
                    return
                except FAILURES as error:
                    if not left:
                        raise CannotOpen(number, words_of(error)) from error

        # The first one by itself: what is wrong for all of them is found out, and said, once.
        await at_rate(missing[:1], rate, insist)
        await at_rate(missing[1:], rate, insist)
        return opened

    def is_open(self, number: int) -> bool:
        """Whether the client is connected."""
        client = self.clients.get(number)
        return client is not None and client.is_open

    async def answers(self, numbers: Collection[int], within_s: float) -> None:
        """Wait for what these clients have sent to be answered; then wait for it no longer."""
        clients = [self.clients[number] for number in numbers]
        await drained(lambda: -sum(client.unanswered for client in clients), 0, within_s)
        for client in clients:
            client.give_up()

    def close(self) -> None:
        """Hang up all."""
        for client in self.clients.values():
            client.close()
        self.clients.clear()


class CannotOpen(Unplayable):
    """A client could not be connected, however often it was tried; has why."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(number, why)
        self.number = number
        self.why = why

    def __str__(self) -> str:
        return f"client {self.number} cannot connect: {self.why}"


async def at_rate(
    numbers: Collection[int],
    rate: float,
    do: Callable[[int, int], Awaitable[None]],
    *,
    at_once: int = AT_ONCE_MAX,
) -> None:
    """Do something for each number, `rate` a second, at most `at_once` of them under way.

    `do` is given the number, and when it was due in monotonic nanoseconds: what begins late,
    because others are under way, counts its waiting. What it raises ends all.
    """
    free = asyncio.Semaphore(at_once)
    began_ns = time.monotonic_ns()

    async def one(number: int, due_ns: int) -> None:
        try:
            await do(number, due_ns)
        finally:
            free.release()

    try:
        async with asyncio.TaskGroup() as group:
            for place, number in enumerate(numbers):
                due_ns = began_ns + int(place / rate * 1e9)
                ahead_s = (due_ns - time.monotonic_ns()) / 1e9
                if ahead_s > 0:
                    await asyncio.sleep(ahead_s)
                await free.acquire()
                group.create_task(one(number, due_ns))
    except BaseExceptionGroup as errors:
        # The first says it; the others were cancelled, or say the same.
        raise errors.exceptions[0] from None


async def drained(
    come: Callable[[], int], expected: int, within_s: float, *, quiet_s: float = QUIET_S
) -> bool:
    """Wait until as many have come as are expected; False when they do not.

    Gives up after `within_s`, or when nothing at all has come for `quiet_s`.
    """
    loop = asyncio.get_running_loop()
    now = loop.time()
    deadline, heard, last = now + within_s, now, come()
    while last < expected:
        await asyncio.sleep(_POLL_S)
        now, count = loop.time(), come()
        if count != last:
            heard, last = now, count
        elif now - heard > quiet_s or now > deadline:
            return False
        if now > deadline:
            return count >= expected
    return True
