import random

import pytest

from realtime.chat import watch_list as module
from realtime.chat.watch_list import Watcher, WatchList

ANN: Watcher = ("ann", "c1")
ANN_TOO: Watcher = ("ann", "c2")
BOB: Watcher = ("bob", "c3")


@pytest.fixture
def watches() -> WatchList:
    return WatchList()


def test_watchers_are_known_until_their_time_is_over(watches: WatchList) -> None:
    assert watches.watch(ANN, ["eve", "dan"], 100.0, 0.0)
    assert watches.watch(BOB, ["eve"], 200.0, 0.0)
    assert watches.watchers("eve", 99.9) == {"ann", "bob"}
    assert watches.watchers("eve", 100.0) == {"bob"}
    assert watches.watchers("dan", 0.0) == {"ann"}
    assert watches.watchers("nobody", 0.0) == set()
    assert "eve" in watches
    assert "nobody" not in watches


def test_watching_again_renews(watches: WatchList) -> None:
    watches.watch(ANN, ["eve", "dan"], 100.0, 0.0)
    watches.watch(ANN, ["eve"], 200.0, 50.0)
    watches.sweep(150.0)
    assert watches.watchers("eve", 150.0) == {"ann"}
    assert sorted(watches.watched()) == ["eve"]
    assert len(watches) == 1


def test_a_user_with_two_connections_is_one_watcher(watches: WatchList) -> None:
    watches.watch(ANN, ["eve"], 100.0, 0.0)
    watches.watch(ANN_TOO, ["eve"], 200.0, 0.0)
    assert watches.watchers("eve", 50.0) == {"ann"}
    watches.unwatch(ANN)
    assert watches.watchers("eve", 150.0) == {"ann"}


def test_watches_end_one_by_one_or_all_together(watches: WatchList) -> None:
    watches.watch(ANN, ["eve", "dan", "fay"], 100.0, 0.0)
    watches.unwatch(ANN, ["eve", "nobody"])
    assert sorted(watches.watched()) == ["dan", "fay"]
    watches.unwatch(BOB)
    watches.unwatch(ANN)
    assert repr(watches) == "<WatchList 0 watches of 0 users>"


def test_a_user_has_an_end_over_all_their_connections(
    watches: WatchList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WATCHED_PER_USER_MAX", 3)
    assert watches.watch(ANN, ["eve", "dan"], 100.0, 0.0)
    assert not watches.watch(ANN_TOO, ["eve", "dan"], 100.0, 0.0)
    assert watches.watch(ANN_TOO, ["eve"], 100.0, 0.0)
    assert watches.watch(ANN, ["eve", "dan"], 150.0, 0.0)
    assert watches.watch(BOB, ["eve", "dan", "fay"], 100.0, 0.0)


def test_what_is_over_makes_room(watches: WatchList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCHED_PER_USER_MAX", 2)
    watches.watch(ANN, ["eve", "dan"], 100.0, 0.0)
    assert not watches.watch(ANN, ["fay"], 150.0, 99.0)
    assert watches.watch(ANN, ["fay"], 150.0, 100.0)
    assert sorted(watches.watched()) == ["fay"]


def test_a_node_has_an_end(watches: WatchList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCHES_MAX", 3)
    assert watches.watch(ANN, ["eve", "dan"], 100.0, 0.0)
    assert not watches.watch(BOB, ["eve", "dan"], 100.0, 0.0)
    assert len(watches) == 2


def test_a_sweep_is_bounded_and_comes_round(
    watches: WatchList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOKED_AT", 10)
    for number in range(10):
        watches.watch((f"user {number}", ""), [f"{number}.{other}" for other in range(5)], 100.0, 0)
    watches.sweep(200.0)
    assert len(watches) == 40
    for _ in range(4):
        watches.sweep(200.0)
    assert repr(watches) == "<WatchList 0 watches of 0 users>"


def test_it_is_what_a_plain_table_of_watches_is() -> None:
    chance = random.Random(3)  # noqa: S311 - repeatable, not secret
    watches, table = WatchList(), dict[tuple[Watcher, str], float]()
    names = [f"user {number}" for number in range(6)]
    for now in range(2_000):
        watcher = chance.choice([ANN, ANN_TOO, BOB])
        users = chance.sample(names, chance.randrange(1, 4))
        act = chance.randrange(4)
        if act < 2:
            until = now + chance.randrange(1, 50)
            assert watches.watch(watcher, users, until, now)
            table |= {(watcher, user): until for user in users}
        elif act == 2:
            watches.unwatch(watcher, users)
            for user in users:
                table.pop((watcher, user), None)
        else:
            watches.sweep(now)
        for name in names:
            expected = {key[0][0] for key, until in table.items() if key[1] == name and until > now}
            assert watches.watchers(name, now) == expected
    watches.sweep(9_999)
    assert len(watches) == 0
