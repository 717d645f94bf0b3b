"""What a hub asks of the chat service that runs in it; it has none where no namespace has `chat`.

The service in turn asks the hub through `realtime.chat.ports.Stage`, which `realtime.hub.stage` is.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol

from realtime.chat.caller import Caller
from realtime.chat.others import Others
from realtime.chat.ports import Memberships, Stage
from realtime.cluster.retention import RetentionAfter
from realtime.model import Entry, NewEntry, Retention

IsMine = Callable[[], Awaitable[bool]]
"""Whether this node does what only one node of all does. Raises StoreError."""


class Chat(Protocol):
    """Chat and feeds, as far as the wire meets them."""

    def prepare(
        self, caller: Caller, channel: str, data: bytes
    ) -> NewEntry | Coroutine[object, object, NewEntry]:
        """What a plain publish into a chat channel appends. Never waits where it need not.

        Whether the caller may is decided by this alone, but for bans of the revocations log and for
        the namespace's `publish`, read as if the caller were a member. Raises, at once or when
        awaited: CommandRefused.
        """
        ...

    def committed(self, entry: Entry) -> None:
        """This node has appended an entry to a chat channel, and has delivered it here.

        Once for each, duplicates left out, whoever wrote it. Never waits.
        """
        ...

    def shows_who(self, channel: str) -> bool:
        """Whether one may see who is there, and not only how many: not where very many are.

        Never waits.
        """
        ...

    def merges_reactions(self, channel: str) -> bool:
        """Whether reactions in a channel are told together, for many are there. Never waits.

        To be asked of channels that have subscribers here, with every reaction.
        """
        ...

    def is_foreground(self, user: str, client: str) -> bool:
        """Whether a user's connection is of a device in the foreground, as far as it has said.

        Not before `connected`, nor after `departed`. Never waits.
        """
        ...

    def seen_by(self, user: str, client: str, channel: str, offset: int) -> None:
        """A connection in the foreground has shown to have the room's messages up to `offset`.

        Never waits. Written soon, but not promised.
        """
        ...

    async def truncated(self, channel: str) -> None:
        """The history of a chat channel was removed, and is shown nowhere. Raises StoreError."""
        ...

    async def call(self, caller: Caller, method: str, data: bytes) -> bytes:
        """Perform an operation: JSON in, JSON out; b"" is no parameters. Raises CommandRefused.

        An unknown method is 104.
        """
        ...

    def connected(self, caller: Caller) -> None:
        """A connection of a user was accepted, and answered. Never waits."""
        ...

    def departed(self, caller: Caller) -> None:
        """A connection that was `connected` is gone. Never waits."""
        ...

    async def run(self) -> None:
        """Work in the background until cancelled. Hosted by the hub's task group."""
        ...


@dataclass(frozen=True, slots=True)
class ChatSetup:
    """What a hub is given to have chat: the memberships it asks, and how the service is made.

    `narrowed` answers what may be seen of channels by what namespaces say and rooms are set to.
    The service gets the hub as a stage, the other nodes where there may be any, and whom to ask
    whether this node is the one for what only one of all does.
    """

    memberships: Memberships
    make: Callable[[Stage, Others | None, IsMine], Chat]
    narrowed: Callable[[Callable[[str], Retention]], RetentionAfter]
