"""What a process of `push` refuses before it has done anything."""

import socket
from typing import Any

import pytest

from load.scenarios.push_player import PushPlayer
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
