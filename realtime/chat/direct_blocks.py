"""What blocking somebody does to the direct channel of the two.

**Who blocks is shown nothing of what the other says there, by any path, until they block no more.**
Where messages can be left out they are: calls show the blocker's own (`vision`), `chat.sync` and
the badge show no last message, nothing unread and no mentions, and there are no receipts of the
other. What the wire has of the channel cannot be divided, so it is refused: the blocker's
subscriptions end, and subscribing, recovering and the plain history are answered 103. Nobody writes
there, nor types (`restrictions`); and who is blocked learns nothing of how far the blocker reads.

That somebody blocks the other is in their row of the channel's members, which every path looks at
in any case. It follows from BLOCKS, whoever wrote there first; other nodes know within 2 s.
"""

from collections.abc import Collection

from realtime.chat import member_events
from realtime.chat.around import Around
from realtime.chat.blocks import Blocks
from realtime.chat.creating import direct_channel
from realtime.model import Entry
from realtime.rows import BLOCKS, MEMBERS
from realtime.stores.base import Write


class DirectBlocks:
    """Keeps it so. `namespaces` are those that have rooms.

    Registers with `blocks`, and with the ledger: make it once, after what writes members' rows.
    """

    def __init__(self, around: Around, blocks: Blocks, namespaces: Collection[str]) -> None:
        self._store = around.store
        self._stage = around.stage
        self._memberships = around.memberships
        self._clock = around.clock
        self._namespaces = sorted(namespaces)
        blocks.on_block(self.settle)
        blocks.on_unblock(self.settle)
        around.ledger.on("member", self.made)

    async def settle(self, user: str, other: str) -> None:
        """Note whether `user` blocks the other, in each channel of the two that there is.

        Idempotent: BLOCKS says what is so. Raises CommandRefused (100), and StoreError.
        """
        is_blocked = bool(await self._store.get(BLOCKS, [(user, other)]))
        for namespace in self._namespaces:
            channel = direct_channel(namespace, user, other)
            is_there = await self._store.decide(
                Write(
                    MEMBERS,
                    (channel, user),
                    set={"blocks": int(is_blocked), "changed_at": self._clock.wall_ms()},
                    present=True,
                )
            )
            if not is_there:
                continue
            self._memberships.forget(channel, user)
            if is_blocked:
                await self._stage.cut(user, channel)

    async def made(self, entry: Entry) -> None:
        """A channel was made, maybe by the app for two who block each other. See `settle`."""
        event = member_events.read(entry)
        if event is None or event.act != "direct" or len(event.concerns) != 2:
            return
        one, other = event.concerns
        for row in await self._store.get(BLOCKS, [(one, other), (other, one)]):
            await self.settle(row.user, row.blocked)
