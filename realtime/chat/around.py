"""What every part of the service is given."""

from typing import Protocol

import msgspec

from realtime.chat.doorkeeper import Doorkeeper
from realtime.chat.ledger import Ledger
from realtime.chat.operations import Spent
from realtime.chat.ports import ChatStore, Clock, Memberships, Stage
from realtime.settings.schema import ChatSettings


class Allowances(Protocol):
    """How much each user may still do (`realtime.chat.allowances`)."""

    def spend(self, user: str, what: Spent, cost: float = 1.0) -> None:
        """Count one call. Raises CallRefused (111, with `retry_after`); then nothing is counted."""
        ...


class Around(msgspec.Struct, frozen=True):
    """The service's surroundings: one object for all its parts, made once per node."""

    store: ChatStore
    stage: Stage
    memberships: Memberships
    clock: Clock
    settings: ChatSettings
    ledger: Ledger
    doorkeeper: Doorkeeper
    allowances: Allowances
