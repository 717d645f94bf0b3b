"""What cannot work stops the hub at the start, with an exit code and a message that names it."""

import sqlite3

import pytest

from tests.end_to_end.conftest import MakeHub
from tests.support.processes import HubProcess


def refusal(hub: HubProcess) -> tuple[int, str]:
    """Start a hub that must not start: its exit code, and what it said."""
    hub.launch()
    return hub.wait(), hub.log


@pytest.mark.parametrize("content", [b"not a database at all, far from it\n" * 200, b"\0" * 8192])
def test_a_file_that_is_no_database_is_named(make_hub: MakeHub, content: bytes) -> None:
    hub = make_hub({})
    (hub.directory / "hub.db").write_bytes(content)
    code, said = refusal(hub)
    assert code == 1
    assert "hub.db" in said
    assert "damaged" in said or "not a" in said
    assert (hub.directory / "hub.db").read_bytes() == content


def test_a_damaged_database_is_named(make_hub: MakeHub) -> None:
    hub = make_hub({})
    hub.start()
    assert hub.terminate() == 0
    path = hub.directory / "hub.db"
    data = bytearray(path.read_bytes())
    data[100:] = b"\xa5" * (len(data) - 100)
    path.write_bytes(bytes(data))
    code, said = refusal(hub)
    assert code == 1
    assert "hub.db" in said


def test_a_database_of_another_program_is_left_alone(make_hub: MakeHub) -> None:
    hub = make_hub({})
    path = hub.directory / "hub.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (value)")
    database.close()
    code, said = refusal(hub)
    assert code == 1
    assert "hub.db" in said
    with sqlite3.connect(path) as database:
        names = database.execute("SELECT name FROM sqlite_master").fetchall()
    database.close()
    assert names == [("theirs",)]


def test_a_folder_that_is_not_there_is_named(make_hub: MakeHub) -> None:
    hub = make_hub({"store": {"url": "sqlite:////nowhere/at/all/hub.db"}})
    code, said = refusal(hub)
    assert code == 1
    assert "/nowhere/at/all" in said


def test_settings_that_cannot_be_used_are_all_named(make_hub: MakeHub) -> None:
    hub = make_hub({"server": {"prot": 1}, "client": {"ping_interval_s": "often"}})
    code, said = refusal(hub)
    assert code == 2
    for name in ("server.prot", "port", "client.ping_interval_s"):
        assert name in said


def test_more_connections_than_descriptors_are_refused_with_the_number(make_hub: MakeHub) -> None:
    """Nowhere may a process have ten million descriptors by default (proc(5), nr_open)."""
    hub = make_hub({"server": {"connections_max": 10_000_000}})
    code, said = refusal(hub)
    assert code == 2
    assert "connections_max" in said
    assert "10000000" in said.replace(",", "").replace("_", "")


def test_a_port_that_is_taken_is_named(make_hub: MakeHub, hub: HubProcess) -> None:
    second = make_hub({})
    second.port = hub.port
    code, said = refusal(second)
    assert code == 1
    assert str(hub.port) in said
