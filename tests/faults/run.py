"""One scenario from the first subscriber to the verdict."""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.faults.audience import Audience
from tests.faults.clients import Clients
from tests.faults.load import Load
from tests.faults.resources import Held, held, leaks
from tests.faults.retained import retained_log
from tests.faults.rig import Rig
from tests.faults.scenario import Scenario, Site
from tests.faults.threads import in_thread
from tests.faults.verdict import Verdict
from tests.support.checker import Checker, Stored
from tests.support.sdks import Sdks
from tests.support.server_api import ServerApi, open_api

RATE_PER_S: Final = 120.0

WARM_UP_S: Final = 0.5
"""How long there is load before the first fault."""

TAIL_S: Final = 1.5
"""How long there is load after the last one."""

PATIENCE_S: Final = 15.0
"""How long nothing may come before what is missing counts as lost. Shorter than the 24 s after
which positions are compared without a reason: nobody shall have to wait for that."""

_PATIENT_S: Final = 45.0
"""The same where messages were lost without a sign: then only that comparison finds the last."""

PROBE_S: Final = 10.0
"""How long one message may take to everybody once all is well again."""

QUIET_S: Final = 30.0
"""How long after the last ack heads may still rise: what was refused for a time is stored late."""

OVERTIME: Final = 2.0
OVERTIME_S: Final = 240.0
"""A run may take so many times its faults, and so much longer."""

_STILL_S: Final = 1.0


@dataclass(slots=True)
class Run:
    """A scenario on a rig, which it leaves as it found it. `number` keeps runs' channels apart."""

    rig: Rig
    scenario: Scenario
    number: int = 0
    seed: int = 1
    seconds: float = 0.0
    rate: float = RATE_PER_S
    sdks: Sdks | None = None
    """Makes clients of every SDK, transport and format; without it they are of Python's SDK."""
    patience_s: float = 0.0
    """Where not 0: how long is waited for what is missing, instead of what is usual."""
    checker: Checker = field(default_factory=Checker)
    findings: list[str] = field(default_factory=list)

    async def perform(self) -> Verdict:
        """Run it to the end. Raises TimeoutError if there is none: waits are bounded by less."""
        seconds = self.seconds or self.scenario.seconds
        async with asyncio.timeout(seconds * OVERTIME + OVERTIME_S):
            return await self._perform(seconds)

    async def _perform(self, seconds: float) -> Verdict:
        began = time.monotonic()
        before = [held(hub, self.rig.mongo.port) for hub in self.rig.hubs]
        async with contextlib.AsyncExitStack() as stack:
            site = await self._open(stack, seconds)
            async with site.load.running():
                await asyncio.sleep(WARM_UP_S)
                await self.scenario.inject(site)
                acked = site.load.outcomes["acked"]
                await asyncio.sleep(TAIL_S)
                if site.load.outcomes["acked"] == acked:
                    self.findings.append("nothing was acked after the last fault")
            await self._probe(site)
            await self._settle(site)
        self.findings += site.problems + site.load.failures
        await self._judge(site.audience, before)
        return self._verdict(site.audience, site.load, time.monotonic() - began)

    async def _open(self, stack: contextlib.AsyncExitStack, seconds: float) -> Site:
        """Subscribe everybody; who publishes comes later."""
        channels, brief = self._names("chat"), self._names("brief") if self.scenario.forgets else []
        hot, one, two, _ = channels
        busy = [hot, one, hot, two]
        clients = Clients(self.rig.balancer.websocket_url, self.sdks)
        audience = Audience(clients, self.checker)
        stack.push_async_callback(audience.close)
        await audience.join([*channels, *brief])
        apis = [await stack.enter_async_context(open_api(hub)) for hub in self.rig.hubs]
        load = Load(
            self.checker,
            clients,
            apis,
            rate=self.rate,
            sdk_channels=busy,
            # Only the server API's messages keep their name when they are forgotten.
            api_channels=[brief[0], hot, brief[0], brief[1]] if brief else busy,
        )
        plan = random.Random(f"{self.scenario.name} {self.seed}")  # noqa: S311 - repeatable
        return Site(self.rig, plan, seconds, apis, load, audience, channels, brief)

    def _names(self, namespace: str) -> list[str]:
        """A hot channel, two others, and one without load."""
        return [f"{namespace}:{self.number}-{name}" for name in ("hot", "one", "two", "quiet")]

    async def _probe(self, site: Site) -> None:
        """One message through each hub must reach everybody soon: the bus is whole again."""
        channel, within_s = site.channels[-1], self.patience_s or PROBE_S
        for number in range(len(site.apis)):
            offset = await site.load.publish_one(number, channel, f"probe-{number}")
            if offset is not None and not await site.audience.reached(
                {channel: offset}, patience_s=within_s
            ):
                self.findings.append(f"a message from hub{number} took more than {within_s:g} s")
                return

    async def _settle(self, site: Site) -> None:
        """Wait until nothing rises any more, read the logs, wait for the subscribers."""
        heads = await self._quiet(site.apis[0], [*site.channels, *site.brief])
        for channel in site.channels:
            logs = [await api.log(channel) for api in site.apis]
            self.checker.stored(channel, logs[0])
            self._compare(channel, logs)
        for channel in site.brief:
            stored = await in_thread(retained_log, self.rig.mongo.url, channel)
            self.checker.stored(channel, stored)
            if heads[channel] != (stored[-1].offset if stored else 0):
                self.findings.append(f"A: {channel} has the head {heads[channel]}")
        patience_s = self.patience_s or (_PATIENT_S if self.scenario.proxied else PATIENCE_S)
        await site.audience.reached(heads, patience_s=patience_s)

    async def _quiet(self, api: ServerApi, channels: Sequence[str]) -> dict[str, int]:
        deadline = time.monotonic() + QUIET_S
        heads: dict[str, int] = {}
        while True:
            before, heads = heads, {}
            for channel in channels:
                page = await api.call("history", channel=channel, limit=0)
                heads[channel] = page.get("offset", 0)
            if heads == before:
                return heads
            if time.monotonic() > deadline:
                self.findings.append(f"heads still rise {QUIET_S:g} s after the last ack")
                return heads
            await asyncio.sleep(_STILL_S)

    def _compare(self, channel: str, logs: Sequence[Sequence[Stored]]) -> None:
        for number, log in enumerate(logs):
            if log != logs[0]:
                self.findings.append(f"A: hub{number} shows another history of {channel} than hub0")

    async def _judge(self, audience: Audience, before: Sequence[Held]) -> None:
        self.findings += self.checker.check()
        for listener in audience.listeners:
            self.findings += listener.ended
            for channel in listener.denied:
                if channel.startswith("chat:"):
                    self.findings.append(f"{listener.name} was told to reload {channel}")
        self.findings += await leaks(self.rig.hubs, self.rig.mongo.port, before)
        self.findings += [f"G: {line}" for line in self.rig.cluster.complaints()]

    def _verdict(self, audience: Audience, load: Load, seconds: float) -> Verdict:
        numbers = [int(part.split()[0]) for part in self.checker.counts().split(", ")]
        sent, acked, stored, received = numbers
        return Verdict(
            scenario=self.scenario.name,
            seed=self.seed,
            seconds=seconds,
            sent=sent,
            stored=stored,
            acked=acked,
            received=received,
            moves=sum(listener.moves for listener in audience.listeners),
            denied=sum(len(listener.denied) for listener in audience.listeners),
            outcomes=dict(load.outcomes),
            findings=tuple(self.findings),
        )
