"""What a process of `push` refuses before it has done anything."""

import socket
from typing import Any

import pytest

from load.scenarios.push_player import PushPlayer, come
from load.share import Share, Unplayable


def player(**changed: Any) -> PushPlayer:
    """Of a run with 2 users who are connected and 3 who are away."""
    return PushPlayer(
        Share(
            player="",
            parameters={"connected": 2, "clients": 3, **changed.pop("parameters", {})},
            urls=("ws://127.0.0.1:1",),
            format="json",
            seed=1,
            run="ab",
            index=0,
            processes=1,
            **changed,
        )
    )


async def test_devices_are_of_users() -> None:
    with pytest.raises(Unplayable, match="--secret-file or --tokens"):
        await player().setup()


async def test_a_token_for_each_user_is_needed() -> None:
    with pytest.raises(Unplayable, match="6 tokens are needed"):
        await player(tokens=("a.b.c",) * 9).setup()


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unplayable, match=service):
            await player(secret="s", parameters={"service": service}).setup()


async def test_waiting_ends_when_all_have_come_or_nothing_comes() -> None:
    numbers = iter(range(100))
    assert await come(lambda: next(numbers), 3, quiet_s=5, within_s=5)
    assert not await come(lambda: 1, 3, quiet_s=0.05, within_s=5)
    numbers = iter(range(100))
    assert not await come(lambda: next(numbers), 99, quiet_s=5, within_s=0.1)
