"""A worker's end of what ties it to its parent."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from realtime.server.parent import LISTENING, Parent, Place


@pytest.mark.parametrize(
    ("text", "place"), [("1/2", Place(1, 2)), ("4/4", Place(4, 4)), ("25/256", Place(25, 256))]
)
def test_a_place_is_read_as_it_is_written(text: str, place: Place) -> None:
    assert Place.parse(text) == place
    assert str(place) == text


@pytest.mark.parametrize("text", ["", "2", "0/2", "3/2", "1/", "/2", "1/2/3", "a/b", "1/1000"])
def test_anything_else_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="2/4"):
        Place.parse(text)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The parent's end and the worker's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        yield ours, theirs


async def test_the_parent_hears_that_it_listens(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    Parent(theirs).listening()
    assert ours.recv(2) == LISTENING


async def test_its_death_is_noticed(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    parent = Parent(theirs)
    gone = asyncio.Event()
    parent.watch(gone.set)
    ours.send(b"x")  # says nothing today; an older worker must not die of it
    for _ in range(3):
        await asyncio.sleep(0)
    assert not gone.is_set()
    ours.close()
    await asyncio.wait_for(gone.wait(), 5)
    parent.listening()
    parent.close()
    parent.close()


async def test_a_death_before_the_watch_is_noticed_too(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    ours.close()
    parent = Parent(theirs)
    gone = asyncio.Event()
    parent.watch(gone.set)
    await asyncio.wait_for(gone.wait(), 5)
    parent.close()
