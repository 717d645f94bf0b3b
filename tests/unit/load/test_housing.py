"""Rooms of a run: every client is in one, none is empty, and processes agree without a word."""

import pytest

from load.scenarios.housing import room_count, room_names, whole_rooms, whole_rooms_members
from load.scenarios.rooms import RoomsParameters
from load.share import Share


def share(index: int, processes: int) -> Share:
    return Share(
        player="",
        parameters={},
        urls=(),
        format="json",
        seed=1,
        run="run",
        index=index,
        processes=processes,
    )


@pytest.mark.parametrize(
    ("clients", "rooms", "processes"), [(10, 3, 1), (10, 3, 2), (5, 9, 2), (7, 2, 4), (1, 1, 1)]
)
def test_each_client_is_in_one_room_of_one_process(
    clients: int, rooms: int, processes: int
) -> None:
    parameters = RoomsParameters(clients=clients, rooms=rooms, namespace="live")
    crowds = [whole_rooms(parameters, share(index, processes)) for index in range(processes)]
    names = [name for crowd in crowds for name in crowd]
    assert sorted(names) == sorted(room_names(parameters, "run"))
    assert len(set(names)) == room_count(parameters) <= clients
    members = [number for crowd in crowds for room in crowd.values() for number in room]
    assert sorted(members) == list(range(clients))
    most = max(sum(map(len, crowd.values())) for crowd in crowds)
    assert most <= whole_rooms_members(parameters, processes)
    assert all(room for crowd in crowds for room in crowd.values())
