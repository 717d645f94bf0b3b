"""What the push worker asks of the store."""

from typing import Protocol

from realtime.chat.ports import ChatStore
from realtime.stores.base import RevocationStore


class PushStore(ChatStore, RevocationStore, Protocol):
    """Logs, tables, and the log of what no longer counts."""
