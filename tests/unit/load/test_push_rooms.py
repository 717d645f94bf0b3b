"""Who is in which room of `push`: every process knows it, and no two do the same."""

import pytest

from load.scenarios.push_rooms import Layout


def layout(processes: int, connected: int = 9, clients: int = 7, members: int = 3) -> Layout:
    """Rooms have a second message after two seconds."""
    return Layout(
        run="ab",
        namespace="chat",
        connected=connected,
        clients=clients,
        members=members,
        apart_s=2.0,
        processes=processes,
    )


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_processes_have_all_rooms_together_and_none_twice(processes: int, count: int) -> None:
    found = layout(processes)
    rooms = [room for process in range(processes) for room in found.rooms(process, count)]
    assert sorted(room.number for room in rooms) == list(range(count))
    for room in rooms:
        assert room.sender != room.reader
        assert max(room.sender, room.reader) < found.connected <= min(room.away)
        assert len(set(room.away)) == found.members
        assert set(room.away) <= set(found.away())
        assert found.probed not in room.away
        assert found.is_room(room.channel)


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_who_sends_and_who_reads_in_a_room_are_in_one_process(processes: int) -> None:
    found = layout(processes)
    for process in range(processes):
        for room in found.rooms(process, 40):
            assert {room.sender, room.reader} <= set(found.users(process))
    everybody = [user for process in range(processes) for user in found.users(process)]
    assert sorted(everybody) == list(range(found.connected))


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_all_processes_together_send_at_the_rate(processes: int) -> None:
    found, count = layout(processes), 100
    rates = [found.rate_of(process, 50.0, count) for process in range(processes)]
    assert sum(rates) == pytest.approx(50.0)
    assert found.due(50.0, 4.0, count) == pytest.approx(3 * 200, abs=3 * processes)


def test_a_room_has_no_second_message_too_soon() -> None:
    found = layout(1)
    assert found.count(rate=50.0, seconds=60.0) == 100
    # Of a short phase each message has a room.
    assert found.count(rate=50.0, seconds=1.0) == 50


def test_a_room_has_no_more_members_than_there_are() -> None:
    found = layout(1, clients=2, members=5)
    (room,) = found.rooms(0, 1)
    assert sorted(room.away) == list(found.away())
    assert found.due(10.0, 1.0, 1) == 20


def test_channels_of_a_run_are_told_from_others() -> None:
    found = layout(1)
    assert found.is_room(found.large)
    assert not found.is_room("#ab-3")
    assert not found.is_room("chat:load-cd-0")
