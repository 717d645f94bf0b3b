"""The log of all requests that the fake services had."""

from collections import deque
from collections.abc import Mapping
from typing import Literal

import msgspec

from workers.fakepush.counting import Count

Door = Literal["oauth", "fcm", "apns", "webpush"]


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `status` is 0 where it was not answered; `why` is the word of a refusal.

    `at_ms` is in ms since 1970, when it was decided. `device`: its id, "" where none was found.
    `connection` numbers the connections of an APNs host, 0 elsewhere. `headers` are without
    credentials.
    """

    number: int
    at_ms: int
    door: Door
    environment: str
    connection: int
    device: str
    status: int
    why: str
    headers: Mapping[str, str]


class Journal:
    """The last `kept_max` requests."""

    def __init__(self, kept_max: int) -> None:
        self.kept: deque[Logged] = deque(maxlen=kept_max)
        self.count = Count()
        """How many there ever were; to wait for the next one."""

    def __repr__(self) -> str:
        return f"<Journal {self.count.value}>"

    def add(
        self,
        door: Door,
        status: int,
        *,
        at_ms: int,
        why: str = "",
        device: str = "",
        environment: str = "",
        connection: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Write one down."""
        self.kept.append(
            Logged(
                number=self.count.value + 1,
                at_ms=at_ms,
                door=door,
                environment=environment,
                connection=connection,
                device=device,
                status=status,
                why=why,
                headers=headers or {},
            )
        )
        self.count.add()
