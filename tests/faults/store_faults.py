"""A store that stops, dies and forgets."""

import asyncio
import time
from typing import Final

import aiohttp

from tests.faults.hub_faults import kill_in_turn
from tests.faults.rig import BRIEF_SIZE
from tests.faults.scenario import Site
from tests.faults.threads import in_thread
from tests.support.server_api import ApiError

UP_S: Final = (1.0, 3.0)
"""Between which times it is up before the next fault."""

KILLED_AWAY_S: Final = (1.0, 4.0)
"""Between which times a killed store stays away."""

LATE_ACK_S: Final = 1.0
"""How long after the store has stopped an ack may still be on its way to the publisher."""

UNTOLD_MAX: Final = 0.05
"""How many publishers may give up before they are told to try again, of those that are: one whose
hub or SDK was slow for a second, for that is all there is between the two."""

EMPTY_EVERY_S: Final = (0.03, 0.15)
"""Between which times one channel is emptied: so often that who was away for a moment has missed
what is gone."""

_LOOK_EVERY_S: Final = 0.1


async def pause_mongo(site: Site) -> None:
    """MongoDB is stopped: it takes connections and answers nothing. Nothing may be acked."""
    await site.wait(*UP_S)
    told, untold = (site.load.outcomes[name] for name in ("sdk 100", "sdk 1"))
    site.rig.mongo.pause()
    stopped_at = time.monotonic()
    try:
        await site.wait(site.seconds)
        _no_ack_since(site, stopped_at)
    finally:
        site.rig.mongo.resume()
    told = site.load.outcomes["sdk 100"] - told
    untold = site.load.outcomes["sdk 1"] - untold
    if untold > max(told * UNTOLD_MAX, 1):
        site.problems.append(f"{untold} publishers waited in vain, {told} were told to try again")


async def kill_mongo(site: Site) -> None:
    """MongoDB is killed and comes back with the data it had, again and again."""
    until = time.monotonic() + site.seconds
    while True:
        await site.wait(*UP_S)
        await in_thread(site.rig.mongo.kill9)
        stopped_at = time.monotonic()
        await site.wait(*KILLED_AWAY_S)
        _no_ack_since(site, stopped_at)
        await in_thread(site.rig.mongo.start)
        if time.monotonic() > until:
            return


def _no_ack_since(site: Site, stopped_at: float) -> None:
    late = sum(at > stopped_at + LATE_ACK_S for at in site.load.acked_at)
    if late:
        site.problems.append(f"A: {late} acks came while there was no store")


async def forget(site: Site) -> None:
    """Channels keep few entries and are emptied by two hubs at once, while hubs are killed."""
    async with asyncio.TaskGroup() as group:
        others = [
            group.create_task(_empty(site.lasting(site.seconds))),
            group.create_task(_look(site.lasting(site.seconds))),
        ]
        await kill_in_turn(site)
        for other in others:
            other.cancel()


async def _empty(site: Site) -> None:
    while True:
        await site.wait(*EMPTY_EVERY_S)
        channel = site.plan.choice(site.brief[:2])
        apis = site.plan.sample(site.apis, 2)
        await asyncio.gather(
            *(api.call("history_remove", channel=channel) for api in apis), return_exceptions=True
        )


async def _look(site: Site) -> None:
    """No page of history is longer than it may be, and no head ever steps back."""
    heads = dict.fromkeys(site.brief, 0)
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        channel = site.plan.choice(site.brief)
        try:
            page = await site.plan.choice(site.apis).call("history", channel=channel, limit=-1)
        except (ApiError, aiohttp.ClientError, TimeoutError):
            continue  # that hub is away
        offsets = [entry["offset"] for entry in page["publications"]]
        head = page.get("offset", 0)
        if head < heads[channel]:
            site.problems.append(f"{channel} went back from {heads[channel]} to {head}")
        heads[channel] = head
        if offsets and (offsets[0] <= head - BRIEF_SIZE or offsets[-1] > head):
            site.problems.append(f"{channel} shows {offsets} with its head at {head}")
