"""The clients of a soak, who are to be where they want to be, whatever becomes of their hubs."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final

from load.recording import Recorder
from load.scenarios.crowd import FAILURES, TRIES, CannotOpen, Crowd, words_of
from load.scenarios.recovery import NoHistory
from load.scenarios.soak_room import UNRECOVERABLE, Member, Room, State
from load.share import Share
from load.wire.client import Refused

TRY_S: Final = 5.0
"""How long one try to connect, or to join, may take, as with an app's SDK."""

PAUSE_S: Final = (0.1, 3.0)
"""Pauses between tries begin with the first, and double up to the second; times a random share."""

RESUBSCRIBE: Final = 2500
"""From this code on, who is unsubscribed by the hub subscribes again."""

_THROWN_OUT: Final = ((3500, 3999), (4500, 4999))
"""Codes after which a client is not to come back."""


class SoakClients:
    """Connects members and has them join, leave, be cut and come back; a player goes on from it.

    Whoever is lost is brought back in `_group`, while there is one.
    """

    def __init__(self, share: Share, namespace: str) -> None:
        self.share = share
        self.namespace = namespace
        self.recorder = Recorder("before")
        self.members: dict[int, Member] = {}
        self.crowd = Crowd(share, listener=self.members.__getitem__, subscriptions=lambda _: ())
        self.random = share.random("soak")
        self._group: asyncio.TaskGroup | None = None

    async def enter(self, number: int, due_ns: int) -> None:
        """Connect a member for the first time. Raises CannotOpen, or NoHistory."""
        member = self.members[number]
        async with member.lock:
            for left in reversed(range(TRIES)):
                try:
                    await self._set_right(member, 0)
                    break
                except FAILURES as error:
                    if not left:
                        raise CannotOpen(number, words_of(error)) from error
                    self._hang_up(member)

    def _any(self, room: Room) -> Member | None:
        """Somebody who is connected."""
        able = room.open_members()
        return self.random.choice(able) if able else None

    def _drop(self, member: Member, away_s: float) -> None:
        """Hang up without a word, and come back after a time."""
        self._hang_up(member)
        self._later(self._return(member, away_s))

    def _hang_up(self, member: Member) -> None:
        if member.client is not None:
            member.client.abort()
        member.gone()

    def _later(self, doing: Coroutine[Any, Any, None]) -> None:
        if self._group is None:
            # The load is over, and nobody comes back any more.
            doing.close()
        else:
            self._group.create_task(doing)

    async def _return(self, member: Member, away_s: float) -> None:
        await asyncio.sleep(away_s)
        due_ns = time.monotonic_ns()
        if await self._restore(member, "recover"):
            self.recorder.waits("recover").append((time.monotonic_ns() - due_ns) // 1_000)

    async def _restore(self, member: Member, what: str) -> bool:
        """Connect a member and have it join, as it wants; try other hubs in turn until it is so.

        False where it was so already, for another has done it, or where the load has ended.
        """
        async with member.lock:
            tries, was_right = 0, member.is_right
            while not member.is_right and self._group is not None:
                try:
                    async with asyncio.timeout(TRY_S):
                        await self._set_right(member, tries)
                    continue
                except FAILURES as error:
                    self.recorder.error(f"{what}: {words_of(error)}")
                    if isinstance(error, Refused) and error.code == UNRECOVERABLE:
                        self.recorder.counts["unrecovered"] += 1
                        member.forget()
                    self._hang_up(member)
                least, most = PAUSE_S
                pause_s = min(least * 2 ** min(tries, 10), most)
                await asyncio.sleep(pause_s * self.random.uniform(0.5, 1.0))
                tries += 1
            return member.is_right and not was_right

    async def _set_right(self, member: Member, tries: int) -> None:
        """One try. Raises `FAILURES`, and NoHistory."""
        if member.client is not None and member.is_open and member.wants:
            results = [await member.client.subscribe(member.request())]
        else:
            self._hang_up(member)
            requests = [member.request()] if member.wants else []
            hub = member.number + tries
            opened = await self.crowd.open(member.number, requests, hub=hub)
            member.client, member.id = opened.client, opened.connect.client
            results = opened.subscriptions
        for result in results:
            if not result.recoverable:
                raise NoHistory(self.namespace)
            self.recorder.counts["recovered"] += len(result.publications)
            self.recorder.counts["unrecovered"] += not member.begin(result)

    async def _quit(self, member: Member) -> None:
        """Leave, and be told that it is so; whose connection is lost over it has left, too."""
        async with member.lock:
            if member.client is None or member.state is not State.IN:
                return
            member.state = State.LEAVING
            member.forget()
            try:
                await member.client.unsubscribe(member.room.channel)
                member.state = State.OUT
            except FAILURES as error:
                self.recorder.error(f"leave: {words_of(error)}")
        if not member.is_right:
            self._drop(member, 0.0)

    def lost(self, member: Member, code: int, reason: str) -> None:
        """See Ear."""
        self.recorder.error(f"connection: {code} {reason}")
        self.recorder.counts["thrown_out"] += any(low <= code <= high for low, high in _THROWN_OUT)
        member.gone()
        self._later(self._return(member, self.random.uniform(*PAUSE_S) / 3))

    def unsubscribed(self, member: Member, code: int) -> None:
        """See Ear."""
        self.recorder.error(f"unsubscribed: {code}")
        self.recorder.counts["thrown_out"] += code < RESUBSCRIBE
        self._later(self._return(member, self.random.uniform(*PAUSE_S) / 3))
