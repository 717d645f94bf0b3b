"""Opening many clients, and waiting for what is on its way, no longer than it is of use."""

import pytest

from load.scenarios import crowd
from load.scenarios.crowd import TRIES, CannotOpen, Crowd, drained
from load.share import Share
from load.wire.listener import Listener


async def test_what_is_wrong_for_all_is_tried_with_the_first_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many that fail at once say it many times, some of them after the run was given up."""
    tried = []

    async def refused(*arguments: object, **named: object) -> None:
        tried.append(arguments)
        raise ConnectionRefusedError

    monkeypatch.setattr(crowd, "open_client", refused)
    share = Share(
        player="",
        parameters={},
        urls=("ws://127.0.0.1:1",),
        format="json",
        seed=1,
        run="run7",
        index=0,
        processes=1,
        secret="a secret of thirty-two characters",
    )
    crowded = Crowd(share, listener=lambda _: Listener(), subscriptions=lambda _: [])
    with pytest.raises(CannotOpen):
        await crowded.fill(range(30), rate=100_000)
    assert len(tried) == TRIES


async def test_waiting_ends_when_all_have_come_or_nothing_comes() -> None:
    numbers = iter(range(100))
    assert await drained(lambda: next(numbers), 3, 5, quiet_s=5)
    assert not await drained(lambda: 1, 3, 5, quiet_s=0.05)
    numbers = iter(range(100))
    assert not await drained(lambda: next(numbers), 99, 0.1, quiet_s=5)
