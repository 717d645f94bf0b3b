"""What every part of the service is given."""

from typing import Protocol

import msgspec

from realtime.chat.doorkeeper import Doorkeeper
from realtime.chat.ledger import Ledger
from realtime.chat.operations import Spent
from realtime.chat.ports import ChatStore, Clock, Memberships, Rules, Stage
from realtime.settings.schema import ChatSettings


class Allowances(Protocol):
    """How much each user may still do (`realtime.chat.allowances`)."""

    def spend(self, user: str, what: Spent, cost: float = 1.0) -> None:
        """Count one call. Raises CallRefused (111, with `retry_after`); then nothing is counted."""
        ...


class Sight(Protocol):
    """What is needed to look at what users' channels are to them; `Around` is one."""

    @property
    def store(self) -> ChatStore:
        """Where it is."""
        ...

    @property
    def stage(self) -> Rules:
        """What holds for whom."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
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
