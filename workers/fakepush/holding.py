"""What an HTTP/1.1 service does in place of an answer: it is silent, slow, or hangs up."""

import asyncio

from aiohttp import web

from workers.fakepush.outcomes import Outcome
from workers.fakepush.world import World

UNANSWERED = ("hang", "drop", "goaway")
"""Outcomes that have no answer. Of these only `drop` is taken first."""


async def hold(request: web.Request, outcome: Outcome, world: World) -> None:
    """Let an outcome without an answer, or a slow one, have its effect; then the caller answers.

    Cancelled where the client leaves. What is answered after a connection is gone goes nowhere.
    """
    if outcome.what == "slow":
        await asyncio.sleep(outcome.delay_s)
        return
    if outcome.what == "hang":
        await asyncio.sleep(world.rules.hang_s)
    if outcome.what in UNANSWERED and request.transport is not None:
        request.transport.abort()
