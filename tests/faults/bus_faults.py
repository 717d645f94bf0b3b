"""A bus that forgets, stops, loses and is cut."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from typing import Final

from tests.faults.scenario import Site
from tests.faults.threads import in_thread
from tests.support.redis_proxy import RedisProxy

EMPTY_AWAY_S: Final = (0.5, 3.0)
"""Between which times a killed Redis stays away."""

UP_S: Final = (1.0, 3.0)
"""Between which times it is up before the next fault."""

KILL_PUBSUB_EVERY_S: Final = (0.1, 0.8)

LOST: Final = 0.01
"""How many of the bus's messages are lost on their way to a node."""

SILENT_S: Final = 45.0
"""How long the last message of a channel may be missing: positions are compared every 30 s."""


async def empty_redis(site: Site) -> None:
    """Redis is killed and comes back empty, again and again."""
    until = time.monotonic() + site.seconds
    while True:
        await site.wait(*UP_S)
        await in_thread(site.rig.redis.kill9)
        await site.wait(*EMPTY_AWAY_S)
        await in_thread(site.rig.redis.start)
        if time.monotonic() > until:
            return


async def pause_redis(site: Site) -> None:
    """Redis is stopped: it takes connections and answers nothing."""
    site.rig.redis.pause()
    try:
        await site.wait(site.seconds)
    finally:
        site.rig.redis.resume()


async def kill_pubsub(site: Site) -> None:
    """The subscribed connections of every hub are closed again and again."""
    until = time.monotonic() + site.seconds
    while time.monotonic() < until:
        await site.wait(*KILL_PUBSUB_EVERY_S)
        await in_thread(site.rig.redis.kill_pubsub)


async def drop_messages(site: Site) -> None:
    """One message of the bus in a hundred does not arrive, canaries and all.

    Where there is time for it, the last message of a channel is lost as well, for everybody: only
    comparing positions can find that.
    """
    is_long = site.seconds >= SILENT_S
    for proxy in site.rig.proxies:
        proxy.loses = _losing(site)
    try:
        await site.wait(max(site.seconds - SILENT_S, 1.0) if is_long else site.seconds)
        if is_long:
            await _lose_the_last(site)
    finally:
        _heal(site.rig.proxies)


async def _lose_the_last(site: Site) -> None:
    """Nothing of the quiet channel passes any more: the last of `channels` has no load."""
    quiet = site.channels[-1]
    for proxy in site.rig.proxies:
        proxy.loses = _losing(site, quiet)
    offset = await site.load.publish_one(0, quiet, "silent")
    if offset is None or not await site.audience.reached({quiet: offset}, patience_s=SILENT_S):
        site.problems.append(f"the last message of a channel was missing after {SILENT_S:g} s")


def _losing(site: Site, channel: str = "") -> Callable[[bytes, bytes], bool]:
    """What one proxy loses: some of everything, and all of `channel`."""
    # One plan for each, so that it does not matter whose message comes first.
    plan, ending = random.Random(site.plan.random()), channel.encode()  # noqa: S311

    def loses(topic: bytes, payload: bytes) -> bool:
        return plan.random() < LOST or bool(ending and topic.endswith(ending))

    return loses


async def cut_bus(site: Site) -> None:
    """Two hubs are cut off from each other's bus, by turns without a sign and with one.

    First nothing of channels reaches them while their canaries return; then they have no Redis.
    Every hub has publishers to every channel, so both go on to write the same ones.
    """
    cut = site.plan.sample(site.rig.proxies, 2)
    until = time.monotonic() + site.seconds
    spell_s = min(site.seconds / 3, 10.0)
    try:
        while time.monotonic() < until:
            for proxy in cut:
                proxy.loses = lambda topic, payload: any(
                    topic.endswith(channel.encode()) for channel in site.channels
                )
            await site.wait(spell_s)
            for proxy in cut:
                proxy.is_refusing = True
                proxy.cut()
            await site.wait(spell_s)
            _heal(cut)
            await site.wait(spell_s / 3)
    finally:
        _heal(cut)


def _heal(proxies: Iterable[RedisProxy]) -> None:
    for proxy in proxies:
        proxy.loses = lambda topic, payload: False
        proxy.is_refusing = False


async def lose_nothing(site: Site) -> None:
    """No fault at all: what is found then is no fault's."""
    await asyncio.sleep(site.seconds)
