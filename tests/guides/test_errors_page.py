"""The tables of the guide to errors are those of `realtime.errors`."""

import re
from collections.abc import Iterator, Sequence

from realtime.chat.openapi import STATUS
from realtime.chat.refusals import WHY
from realtime.errors import DISCONNECTS, ERRORS, LOCKED, UNSUBSCRIBES
from tests.guides.pages import pages

_NAMED = re.compile(r"`(\w+)`")
YES_NO = {"yes": True, "no": False}


def lines(section: str) -> Iterator[Sequence[str]]:
    """The cells of the lines of the tables in this section of the page."""
    _, _, rest = pages()["errors"].partition(f"\n## {section}\n")
    body, _, _ = rest.partition("\n## ")
    for line in body.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def rows(section: str) -> Iterator[Sequence[str]]:
    """Those that are about a code."""
    return (cells for cells in lines(section) if cells[0].isdigit())


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


def test_every_word_is_in_the_table_with_its_code_what_to_do_and_its_meaning() -> None:
    table = {
        named[1]: (int(code), do, meaning)
        for word, code, do, meaning, *_ in lines("Words")
        if (named := _NAMED.fullmatch(word)) and code.isdigit()
    }
    assert table == WHY


def test_every_code_has_the_status_that_is_told() -> None:
    """Those whose status is another number are in the table, the others need no place."""
    (codes,) = [cells for cells in lines("Words") if cells[0] == "code"]
    (statuses,) = [cells for cells in lines("Words") if cells[0] == "status"]
    told = {
        int(code): int(status)
        for column, status in zip(codes[1:], statuses[1:], strict=True)
        for code in column.split(",")
    }
    assert told == {code: int(status) for code, status in STATUS.items() if status != code}
