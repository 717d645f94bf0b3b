"""The comparison with others: their table, and what each of them is told."""

import re
from pathlib import Path

from tests.measure.rivals.__main__ import COLUMNS, OURS, Cell, markdown, shown
from tests.measure.rivals.systems import FOLDER, NATS, NCHAN, PAYLOAD, RIVALS, SOCKETIO, filled
from tests.measure.rows.workloads import IN_ROOMS, ONE_TO_1000


def test_a_cell_has_the_median_and_each_round() -> None:
    cells = [Cell(90_000, 0.7), Cell(1, 0.1), Cell(89_000, 0.72)]
    assert shown(cells, "deliveries/s") == "**0.70** (0.70, 0.10, 0.72): 89,000 deliveries/s"


def test_a_round_that_failed_does_not_count() -> None:
    cells = [Cell(0, 0, "3 lost"), Cell(10, 0.2), Cell(30, 0.4)]
    assert shown(cells, "x") == "**0.30** (–, 0.20, 0.40): 20.0 x"


def test_what_never_worked_says_why() -> None:
    assert shown([Cell(0, 0, "3 lost")], "x") == "3 lost"
    assert shown([], "x") == "not measured: the time is up"


def test_the_table_has_a_line_for_each_system() -> None:
    cells = {("us", COLUMNS[0].name): [Cell(9, 0.5)]}
    lines = markdown(["us", "them"], cells).splitlines()
    assert len({text.count("|") for text in lines}) == 1
    assert lines[2].startswith("| us | **0.50** (0.50): 9.00 deliveries/s |")
    assert lines[3].startswith("| them | not measured")


def test_nats_is_told_the_length_of_what_follows() -> None:
    # Instead of %T the load writes "@T" and 19 digits.
    written = PAYLOAD.replace("%T", "@T" + "0" * 19)
    words = NATS.words(IN_ROOMS)
    assert words[words.index("--pubb") + 1] == rf"PUB r%g {len(written)}\r\n{PAYLOAD}\r\n"


def test_socket_io_is_told_events_with_a_number_for_the_answer() -> None:
    words = SOCKETIO.words(ONE_TO_1000)
    assert '421["join","feed"]' in words
    assert '422["send","feed","%T"]' in words


def test_nchan_finds_the_room_in_the_number_of_the_connection() -> None:
    settings = (FOLDER / "nchan.conf").read_text()
    patterns = [re.compile(found) for found in re.findall(r"location ~ (\S+) ", settings)]
    assert NCHAN.words(IN_ROOMS)[1] == "/room/%i"
    for number in range(1_000):
        found = next(match for p in patterns if (match := p.search(f"/room/{number}")))
        assert int(found[1]) == number % IN_ROOMS.rooms and found[1] == str(int(found[1]))


def test_settings_have_no_place_left_open(tmp_path: Path) -> None:
    assert filled("a @X@ b @X@ @Y@", {"X": 1, "Y": "z"}) == "a 1 b 1 z"
    for system in RIVALS:
        system.command(1, tmp_path)
    for path in tmp_path.iterdir():
        assert re.search(r"@[A-Z]+@", path.read_text()) is None, path.name


def test_ours_and_each_of_the_others_has_a_name_of_its_own() -> None:
    names = [OURS, *(system.name for system in RIVALS)]
    assert len(set(names)) == len(names) == 5
