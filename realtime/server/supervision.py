"""When a worker that died is started again, and when all are given up: decided, not done.

Nothing here starts a process or reads a clock; `now` is a monotonic time in seconds.
"""

from dataclasses import dataclass
from typing import Final

RESTART_FIRST_S: Final = 0.1
"""How long a worker that died waits before it is started again; doubled with each death."""

RESTART_MAX_S: Final = 5.0
"""The longest that it waits."""

STEADY_S: Final = 30.0
"""Who has lived this long has forgotten earlier deaths."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Start it again, `after_s` seconds from now."""

    after_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Every worker ends with `code` before it can listen: it is for the operator to mend."""

    code: int


@dataclass(slots=True)
class _Life:
    started: float = 0.0
    listens: bool = False
    delay_s: float = RESTART_FIRST_S
    code: int = 0
    """How the last life ended; 0 while the first one lasts."""


class Supervision:
    """What is known of the workers 1 to `count`, and what follows from a death."""

    def __init__(self, count: int) -> None:
        self._lives = {number: _Life() for number in range(1, count + 1)}
        self._has_listened = False

    @property
    def all_listen(self) -> bool:
        """Whether every worker listens now."""
        return all(life.listens for life in self._lives.values())

    def started(self, number: int, now: float) -> None:
        """A life of the worker begins."""
        life = self._lives[number]
        life.started, life.listens = now, False

    def listens(self, number: int) -> None:
        """It says that it listens."""
        self._lives[number].listens = self._has_listened = True

    def ended(self, number: int, code: int, now: float, *, asked: bool = False) -> Restart | GiveUp:
        """Its life is over, with an exit code, negative for a signal. `asked`: as it was told to.

        Settings, a store or a port that nobody can use end every worker with the same positive
        code before any has listened. Once one has, it is no longer the settings, and whoever dies
        is started again for as long as it takes.
        """
        life = self._lives[number]
        life.listens = False
        life.code = code
        if asked:
            return Restart(0.0)
        codes = {each.code for each in self._lives.values()}
        if not self._has_listened and codes == {code} and code > 0:
            return GiveUp(code)
        if now - life.started >= STEADY_S:
            life.delay_s = RESTART_FIRST_S
        after_s = life.delay_s
        life.delay_s = min(2 * after_s, RESTART_MAX_S)
        return Restart(after_s)
