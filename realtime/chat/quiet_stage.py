"""A stage without an audience: entries are stored, and nobody is there to be told of them."""

from collections.abc import Sequence

from realtime.channels.rules import RuleBook
from realtime.chat.ports import ChatStore
from realtime.model import NewEntry
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Appended, Conflict


class QuietStage:
    """See `realtime.chat.ports.Stage`: for imports. Raises StoreError where the store does."""

    def __init__(self, store: ChatStore, rules: RuleBook) -> None:
        self._store = store
        self._rules = rules

    async def append(self, entry: NewEntry) -> Appended | Conflict:
        """Store it."""
        (outcome,) = await self._store.append([entry])
        return outcome

    def signal(self, channel: str, kind: str, data: bytes) -> None:
        """Nobody is subscribed."""

    def hint(self, users: Sequence[str], data: bytes, *, about: str = "") -> None:
        """Nobody is connected."""

    async def cut(self, user: str, channel: str) -> None:
        """Nobody is subscribed."""

    async def sign_out(self, user: str) -> None:
        """Nobody is connected."""

    async def forget(self, channel: str) -> None:
        """Nothing is kept in memory."""

    def banned(self, user: str, channel: str) -> bool:
        """Nobody: an import is the app's own."""
        return False

    def options(self, channel: str) -> ChannelOptions:
        """See Stage."""
        return self._rules.resolve(channel).rules.options

    def subscribers(self, channel: str) -> int:
        """Nobody."""
        return 0
