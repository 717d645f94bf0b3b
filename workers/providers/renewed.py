"""A provider whose key is in a file that may be replaced while it runs."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from realtime.errors import SettingsError
from workers.providers.base import Misconfigured, Notice, Outcome, Provider, ProviderName, Target

logger = logging.getLogger(__name__)

LOOK_S: Final = 10.0
"""How often the file is looked at, in seconds; beside that, when the service refuses the key."""

LOOK_MIN_S: Final = 1.0
"""The least time between two looks, in seconds."""

FAREWELL_S: Final = 20.0
"""How long what is under way with the old key may take, in seconds: longer than any request."""

CLOSE_S: Final = 3.0
"""How long letting go of the old connections may take, in seconds."""


class RenewedProvider:
    """The provider that `make` makes, and another one when `read` answers something else.

    Both raise SettingsError; what cannot be read or is no key is said, once, and leaves the one
    there is. Raises SettingsError at first. `renewed` is called when there is another one.
    """

    def __init__(self, read: Callable[[], bytes], make: Callable[[bytes], Provider]) -> None:
        self._read = read
        self._make = make
        self._content = read()
        self._provider = make(self._content)
        self._refused = asyncio.Event()
        self.renewed: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        return f"<Renewed {self._provider!r}>"

    @property
    def name(self) -> ProviderName:
        """See Provider."""
        return self._provider.name

    async def run(self) -> None:
        """See Provider."""
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self._provider.run(), name=self.name)
            while True:
                await self._until_looked_for()
                fresh = await self._fresh()
                if fresh is None:
                    continue
                old, self._provider = self._provider, fresh
                farewell = self._farewell(old, running)
                running = tasks.create_task(fresh.run(), name=self.name)
                tasks.create_task(farewell, name="farewell")
                logger.info("%s has another key", self.name)
                self.renewed()

    async def send(self, target: Target, notice: Notice) -> Outcome:
        """See Provider."""
        provider = self._provider
        outcome = await provider.send(target, notice)
        if not isinstance(outcome, Misconfigured):
            return outcome
        if provider is not self._provider:
            # It was the old key that was refused, which says nothing of this one.
            return await self._provider.send(target, notice)
        self._refused.set()
        return outcome

    async def close(self) -> None:
        """See Provider."""
        await self._provider.close()

    async def _until_looked_for(self) -> None:
        await asyncio.sleep(LOOK_MIN_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S - LOOK_MIN_S):
                await self._refused.wait()
        self._refused.clear()

    async def _fresh(self) -> Provider | None:
        """A provider with another key, where there is one."""
        try:
            content = await asyncio.to_thread(self._read)
            if content == self._content:
                return None
            # Said once, and tried once: a file that is half written is another one when it is done.
            self._content = content
            return self._make(content)
        except SettingsError as error:
            logger.warning("%s goes on with the key it has: %s", self.name, error)
            return None

    async def _farewell(self, old: Provider, running: asyncio.Task[None]) -> None:
        try:
            await asyncio.sleep(FAREWELL_S)
        finally:
            running.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await old.close()
