import pytest

from realtime.chat import devices as module
from realtime.chat.devices import GRACE_MS, Devices, Here, best_of

T = 1_700_000_000_000


@pytest.fixture
def devices() -> Devices:
    return Devices()


def test_a_user_is_active_from_their_first_connection_on(devices: Devices) -> None:
    assert devices.came("ann", "c1", "", T)
    assert devices.here("ann") == Here("active", T)
    assert not devices.came("ann", "c2", "", T + 5)
    assert devices.here("ann") == Here("active", T)
    assert devices.here("bob") is None


def test_a_user_is_the_best_of_their_connections(devices: Devices) -> None:
    devices.came("ann", "phone", "", T)
    devices.came("ann", "laptop", "", T)
    assert not devices.says("ann", "phone", "background", "", T + 1)
    assert devices.says("ann", "laptop", "away", "", T + 2)
    assert devices.here("ann") == Here("background", T + 2)
    assert devices.says("ann", "phone", "away", "", T + 3)
    assert devices.here("ann") == Here("away", T + 3)
    assert devices.says("ann", "laptop", "active", "", T + 4)
    assert devices.here("ann") == Here("active", T + 4)


def test_saying_the_same_again_changes_nothing(devices: Devices) -> None:
    devices.came("ann", "c1", "", T)
    assert devices.says("ann", "c1", "away", "", T + 1)
    assert not devices.says("ann", "c1", "away", "", T + 2)
    assert devices.here("ann") == Here("away", T + 1)


def test_a_user_is_less_when_the_best_connection_is_gone(devices: Devices) -> None:
    devices.came("ann", "phone", "", T)
    devices.came("ann", "laptop", "", T)
    devices.says("ann", "phone", "background", "", T)
    assert devices.went("ann", "laptop", T + 7)
    assert devices.here("ann") == Here("background", T + 7)


def test_a_user_is_there_for_15_s_without_a_connection(devices: Devices) -> None:
    devices.came("ann", "c1", "", T)
    assert not devices.went("ann", "c1", T + 1_000)
    assert devices.expire(T + 15_999) == []
    assert devices.here("ann") == Here("active", T)
    assert devices.expire(T + 16_000) == [("ann", T + 1_000)]
    assert devices.here("ann") is None
    assert devices.expire(T + 99_999) == []


def test_coming_back_in_time_is_not_noticed(devices: Devices) -> None:
    devices.came("ann", "c1", "", T)
    devices.went("ann", "c1", T + 1_000)
    assert not devices.came("ann", "c2", "", T + 2_000)
    assert devices.expire(T + 60_000) == []
    assert devices.here("ann") == Here("active", T)


def test_the_grace_begins_anew_each_time(devices: Devices) -> None:
    devices.came("ann", "c1", "", T)
    devices.went("ann", "c1", T)
    devices.came("bob", "c2", "", T)
    devices.went("bob", "c2", T + 5_000)
    devices.came("ann", "c3", "", T + 10_000)
    devices.went("ann", "c3", T + 11_000)
    assert devices.expire(T + 5_000 + GRACE_MS) == [("bob", T + 5_000)]
    assert devices.expire(T + 11_000 + GRACE_MS) == [("ann", T + 11_000)]


def test_who_was_in_the_background_is_active_on_coming_back(devices: Devices) -> None:
    devices.came("ann", "c1", "", T)
    devices.says("ann", "c1", "background", "", T)
    devices.went("ann", "c1", T + 1)
    assert devices.came("ann", "c2", "", T + 2)
    assert devices.here("ann") == Here("active", T + 2)


def test_what_nobody_knows_says_nothing(devices: Devices) -> None:
    assert not devices.says("ann", "c1", "away", "", T)
    devices.came("ann", "c1", "", T)
    assert not devices.says("ann", "c2", "away", "", T)
    assert not devices.went("ann", "c2", T)
    assert not devices.went("bob", "c1", T)
    assert devices.here("ann") == Here("active", T)


def test_a_device_is_spoken_for_from_elsewhere(devices: Devices) -> None:
    devices.came("ann", "c1", "phone", T)
    devices.came("ann", "c2", "", T)
    devices.says("ann", "c2", "away", "laptop", T)
    assert not devices.says_of("ann", "watch", "away", T + 1)
    assert devices.says_of("ann", "phone", "background", T + 2)
    assert devices.here("ann") == Here("background", T + 2)
    assert devices.says_of("ann", "laptop", "active", T + 3)
    assert devices.says_of("ann", "", "away", T + 4)
    assert devices.here("ann") == Here("away", T + 4)
    assert not devices.says_of("bob", "", "away", T + 4)


def test_nobody_speaks_for_who_has_just_left(devices: Devices) -> None:
    devices.came("ann", "c1", "", T)
    devices.went("ann", "c1", T)
    assert not devices.says_of("ann", "", "away", T + 1)


def test_of_too_many_who_left_the_first_are_gone_at_once(
    devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAVING_MAX", 2)
    for number in range(5):
        devices.came(f"user {number}", f"c{number}", "", T)
        devices.went(f"user {number}", f"c{number}", T + number)
    assert devices.expire(T + 10) == [("user 0", T), ("user 1", T + 1), ("user 2", T + 2)]


def test_when_the_node_stops_everybody_has_left(devices: Devices) -> None:
    devices.came("ann", "c1", "phone", T)
    devices.came("bob", "c2", "", T)
    devices.went("bob", "c2", T + 1)
    assert devices.leave(T + 9) == [("ann", T + 9), ("bob", T + 1)]
    assert repr(devices) == "<Devices 0 users, 0 leaving>"


def test_everybody_present_is_told(devices: Devices) -> None:
    devices.came("ann", "c1", "", T)
    devices.came("bob", "c2", "", T)
    devices.went("bob", "c2", T + 1)
    assert dict(devices.present()) == {"ann": Here("active", T), "bob": Here("active", T)}


def test_the_best_began_with_the_first_who_have_it() -> None:
    assert best_of([]) is None
    assert best_of([Here("away", 1), Here("active", 9), Here("active", 5)]) == Here("active", 5)
    assert best_of([Here("background", 2), Here("away", 1)]) == Here("background", 2)
