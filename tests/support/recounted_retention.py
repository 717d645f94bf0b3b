"""What a recount says where logs are kept by number or by age, and not whole."""

import dataclasses

from hypothesis.stateful import rule

from realtime.chat.leftovers import Leftovers
from realtime.settings.durations import Duration
from tests.support.chat import ROOM
from tests.support.recounted import Recounted


class RecountedBySize(Recounted):
    """Logs are kept by number: at any moment what is hidden is unread for nobody."""

    options = dataclasses.replace(ROOM, history_size=1)

    def leftovers(self) -> Leftovers:
        return Leftovers(self.store, self.nodes[0].stage, self.clock)

    @rule()
    def leftovers_are_removed(self) -> None:
        self.run(self.leftovers().round())

    @rule()
    def what_is_hidden_is_removed(self) -> None:
        self.run(self.swept())

    async def swept(self) -> None:
        now_ms = self.clock.now_ms
        await self.store.sweep(lambda _: self.retention, now_ms=now_ms, after="", limit=10_000)


class RecountedByAge(RecountedBySize):
    """Logs are kept by age: that is so once leftovers have been looked for."""

    options = dataclasses.replace(ROOM, history_ttl=Duration(2_500))

    async def tidied(self) -> None:
        await self.leftovers().round()
