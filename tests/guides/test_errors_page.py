"""The tables of the guide to errors are those of `realtime.errors`."""

from collections.abc import Iterator, Sequence

from realtime.errors import DISCONNECTS, ERRORS, LOCKED, UNSUBSCRIBES
from tests.guides.pages import pages

YES_NO = {"yes": True, "no": False}


def rows(section: str) -> Iterator[Sequence[str]]:
    """The cells of the rows of the table in this section of the page, without its head."""
    _, _, rest = pages()["errors"].partition(f"\n## {section}\n")
    body, _, _ = rest.partition("\n## ")
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0].isdigit():
            yield cells


def test_every_error_is_in_the_table_with_its_text_and_whether_it_is_temporary() -> None:
    table = [(int(code), text, YES_NO[temporary]) for code, text, temporary, *_ in rows("Errors")]
    assert table == [(error.code, error.message, error.temporary) for error in ERRORS.values()]


def test_every_disconnect_is_in_the_table_with_its_text_and_whether_sdks_come_back() -> None:
    table = [(int(code), text, YES_NO[back]) for code, text, back, *_ in rows("Disconnects")]
    assert table == [(each.code, each.reason, each.reconnects) for each in DISCONNECTS.values()]


def test_every_unsubscribe_is_in_the_table_with_its_text_and_whether_sdks_come_back() -> None:
    table = [(int(code), text, YES_NO[back]) for code, text, back, *_ in rows("Unsubscribes")]
    assert table == [(each.code, each.reason, each.resubscribes) for each in UNSUBSCRIBES.values()]


def test_what_to_do_follows_from_the_code() -> None:
    """Retry what is temporary and what a new token mends; wait for what comes back, or opens by
    itself; else stop."""
    errors = {int(code): do for code, _, _, do, *_ in rows("Errors")}
    assert errors.pop(LOCKED.code) == "wait"
    assert errors | {LOCKED.code: "stop"} == {
        error.code: "retry" if error.temporary or error.code == 109 else "stop"
        for error in ERRORS.values()
    }
    back = {each.code: each.reconnects for each in DISCONNECTS.values()}
    back |= {each.code: each.resubscribes for each in UNSUBSCRIBES.values()}
    for code, _, _, do, *_ in (*rows("Disconnects"), *rows("Unsubscribes")):
        assert do == ("wait" if back[int(code)] else "stop"), code
