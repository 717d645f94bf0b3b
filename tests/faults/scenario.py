"""What a scenario is, and what it has in its hands while it breaks things."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.faults.audience import Audience
from tests.faults.load import Load
from tests.faults.rig import Rig
from tests.support.server_api import ServerApi


@dataclass(slots=True)
class Site:
    """A rig under load. All randomness is `plan`'s, so that a seed is a plan."""

    rig: Rig
    plan: random.Random
    seconds: float
    """For how long the scenario injects its faults, about."""
    apis: Sequence[ServerApi]
    """The hubs' server APIs, in their order."""
    load: Load
    audience: Audience
    channels: Sequence[str]
    """Channels that keep everything; the first is the hot one."""
    brief: Sequence[str]
    """Channels that forget soon."""
    problems: list[str] = field(default_factory=list)
    """What the scenario itself found wrong."""

    def lasting(self, seconds: float) -> "Site":
        """The same for a part of the scenario that takes so long, with a plan of its own."""
        plan = random.Random(self.plan.random())  # noqa: S311 - repeatable, not secret
        return replace(self, plan=plan, seconds=seconds)

    async def wait(self, least_s: float, most_s: float | None = None) -> None:
        """Leave the load alone for a while, which the plan says."""
        await asyncio.sleep(self.plan.uniform(least_s, least_s if most_s is None else most_s))


Inject = Callable[[Site], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Faults under a name. When `inject` ends everything must be up again and left alone."""

    name: str
    tells: str
    """What is broken, in a line."""
    inject: Inject
    seconds: float
    """How long the faults last where nobody says how long."""
    brief_seconds: float
    """The same in a test suite."""
    proxied: bool = False
    """Whether it needs proxies between hubs and Redis."""
    forgets: bool = False
    """Whether there is load on channels that forget soon, too."""
