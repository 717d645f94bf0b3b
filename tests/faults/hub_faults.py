"""Hubs that die, and hubs that are told to stop."""

import time
from typing import Final

from tests.faults.crowd import open_crowd
from tests.faults.scenario import Site
from tests.faults.threads import in_thread
from tests.support.processes import HubFailed, HubProcess

AWAY_S: Final = (0.1, 1.0)
"""Between which times a killed hub stays away after that."""

UNNOTICED_S: Final = (0.2, 0.8)
"""Between which times nobody gets through to another hub: a proxy takes a while to notice, and who
is away for that long has something to recover."""

UP_S: Final = (0.5, 1.5)
"""Between which times everybody is up before the next one is killed."""

CROWD: Final = 180
"""Idle connections beside the load during a drain, so that there is something to spread."""

_DRAIN_PER_S: Final = 100.0
_DRAIN_S: Final = 1.0
_SPREAD_LEAST: Final = 0.5
_UNCLEAR: Final = ("sdk 1",)
"""Ends of a publish that do not say "retry": an SDK that waited for its answer in vain."""


async def kill_one(site: Site) -> None:
    """kill -9 of the hub with the most clients, which comes back a little later."""
    carried = site.rig.balancer.carried
    until = time.monotonic() + site.seconds
    while True:
        await _kill(site, max(site.rig.hubs, key=lambda hub: carried[hub.port]))
        if time.monotonic() > until:
            return


async def kill_in_turn(site: Site) -> None:
    """kill -9 of each hub in turn, round and round."""
    until = time.monotonic() + site.seconds
    while True:
        for hub in site.plan.sample(site.rig.hubs, len(site.rig.hubs)):
            await _kill(site, hub)
        if time.monotonic() > until:
            return


async def _kill(site: Site, hub: HubProcess) -> None:
    await site.wait(*UP_S)
    await in_thread(hub.kill9)
    site.rig.balancer.refusing = True
    try:
        await site.wait(*UNNOTICED_S)
    finally:
        site.rig.balancer.refusing = False
    await site.wait(*AWAY_S)
    await in_thread(hub.start)


async def drain_in_turn(site: Site) -> None:
    """SIGTERM to each hub in turn, which is started again once it has ended in good order."""
    until = time.monotonic() + site.seconds
    unclear = sum(site.load.outcomes[outcome] for outcome in _UNCLEAR)
    async with open_crowd(site.rig.balancer.websocket_url, CROWD) as closes:
        while True:
            for hub in site.plan.sample(site.rig.hubs, len(site.rig.hubs)):
                await site.wait(*UP_S)
                await _drain(site, hub, closes)
            if time.monotonic() > until:
                break
    if unclear != (now := sum(site.load.outcomes[outcome] for outcome in _UNCLEAR)):
        site.problems.append(f"a drain left {now - unclear} publishes without an answer")


async def _drain(site: Site, hub: HubProcess, closes: list[tuple[float, int]]) -> None:
    balancer = site.rig.balancer
    connections = balancer.carried[hub.port]
    seen = len(closes)
    try:
        code = await in_thread(hub.terminate)
    except HubFailed as failure:
        site.problems.append(f"a hub did not drain in time: {failure}")
        await in_thread(hub.kill9)
        code = 0
    if code:
        site.problems.append(f"a hub that was told to stop ended with {code}")
    fresh = closes[seen:]
    site.problems += [f"a drain closed with {code}" for _, code in fresh if code != 3001][:1]
    if len(fresh) > 1:
        spread_s = fresh[-1][0] - fresh[0][0]
        least_s = min(_DRAIN_S, connections / _DRAIN_PER_S) * _SPREAD_LEAST
        if spread_s < least_s:
            site.problems.append(
                f"a drain closed {len(fresh)} of {connections} connections in {spread_s:.2f} s"
            )
    await in_thread(hub.start)
