"""Hubs that a load of push must find wanting: `python -m <this module> NAME serve ...`.

As in `load_sabotage`, each breaks one promise, now and then.
"""

import itertools
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from realtime.cli import main
from realtime.model import Entry
from realtime.push import decision
from realtime.push.decision import Drop, Facts
from realtime.push.jobs import Jobs, Raise
from workers.providers.base import Notice, Outcome, Target
from workers.providers.fcm import FcmProvider

MODULE: Final = "tests.end_to_end.load_push_broken"

EVERY: Final = 7
"""Of so many one goes wrong."""


def lost_jobs() -> None:
    """One job in seven is never made."""
    raise_all = Jobs.raise_all
    numbers = itertools.count(1)

    async def raise_most(self: Jobs, raises: Iterable[Raise]) -> None:
        await raise_all(self, [each for each in raises if next(numbers) % EVERY])

    Jobs.raise_all = raise_most  # type: ignore[method-assign]


def sent_twice() -> None:
    """One notification in seven is sent again."""
    send = FcmProvider.send
    numbers = itertools.count(1)

    async def send_some_again(self: FcmProvider, target: Target, notice: Notice) -> Outcome:
        if next(numbers) % EVERY == 0:
            await send(self, target, notice)
        return await send(self, target, notice)

    FcmProvider.send = send_some_again  # type: ignore[method-assign]


def told_in_vain() -> None:
    """What somebody has seen or read is told all the same."""
    why_not = decision._why_not

    def why_not_unless_known(facts: Facts, entry: Entry, now_ms: int) -> Drop | None:
        drop = why_not(facts, entry, now_ms)
        return None if drop is not None and drop.reason in {"seen", "read"} else drop

    decision._why_not = why_not_unless_known


SABOTAGES: Final[Mapping[str, Callable[[], None]]] = {
    "lost-jobs": lost_jobs,
    "sent-twice": sent_twice,
    "told-in-vain": told_in_vain,
}
"""What can be broken, by the name that the command line has for it."""


if __name__ == "__main__":
    name, *words = sys.argv[1:]
    SABOTAGES[name]()
    sys.exit(main(words))
