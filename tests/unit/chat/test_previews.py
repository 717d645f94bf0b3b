import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.chat import previews
from realtime.chat.previews import DATA_MAX_BYTES, Preview, preview_of
from realtime.model import Entry

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def entry(data: bytes, **fields: int) -> Entry:
    made = Entry("room:a", 7, data, 1_000, sender="u:ann")
    return msgspec.structs.replace(made, **fields)


def kept(preview: Preview) -> Preview:
    """As it comes out of a row again."""
    found = previews.read(previews.written(preview))
    assert found is not None
    return found


def test_short_data_is_shown_byte_for_byte() -> None:
    data = b'{"text":  "hi", "n": 1.50}'
    shown = kept(preview_of(entry(data)))
    assert (shown.offset, shown.user, shown.at) == (7, "ann", 1_000)
    assert bytes(shown.data) == data  # type: ignore[arg-type]  # it is there


def test_of_long_data_the_text_is_shown_cut() -> None:
    data = json.dumps({"text": "word " * 200}).encode()
    shown = kept(preview_of(entry(data)))
    assert shown.data is msgspec.UNSET
    assert len(shown.text) == previews.TEXT_MAX
    assert shown.text.startswith("word word") and shown.text.endswith("…")


@pytest.mark.parametrize("value", [{"text": 5}, ["text"], {"body": "x"}, "text", 5, None])
def test_of_long_data_without_a_text_nothing_is_shown(value: object) -> None:
    data = json.dumps([value, "x" * DATA_MAX_BYTES]).encode()
    if isinstance(value, dict):
        data = json.dumps(value | {"more": "x" * DATA_MAX_BYTES}).encode()
    shown = kept(preview_of(entry(data)))
    assert (shown.data, shown.text) == (msgspec.UNSET, "")


def test_nothing_is_left_of_what_was_deleted() -> None:
    shown = preview_of(entry(b'{"text":"planted"}', deleted_at=5))
    assert shown.deleted
    assert b"planted" not in previews.written(shown)


def test_what_is_deleted_stays_so_whatever_edit_comes_later() -> None:
    shown = preview_of(entry(b'{"text":"one"}'))
    delete = Entry("room:a", 9, b"{}", 2_000, "delete", ref=7)
    edit = Entry("room:a", 10, b'{"text":"two"}', 3_000, "edit", ref=7)
    assert previews.edited(previews.edited(shown, delete), edit).deleted
    changed = previews.edited(shown, edit)
    assert (bytes(changed.data), changed.edited) == (edit.data, True)  # type: ignore[arg-type]


@pytest.mark.parametrize("last", [b"", b"{", b"[]", b'{"offset":"x"}'])
def test_a_row_that_cannot_be_read_shows_nothing(last: bytes) -> None:
    assert previews.read(last) is None


@given(json_values)
def test_any_data_has_a_preview_of_bounded_size(value: object) -> None:
    data = json.dumps(value).encode()
    shown = kept(preview_of(entry(data)))
    if len(data) <= DATA_MAX_BYTES:
        assert bytes(shown.data) == data  # type: ignore[arg-type]  # it is there
    assert len(previews.written(shown)) <= DATA_MAX_BYTES + 500
    assert len(previews.written(previews.short(shown))) <= 6 * previews.SHORT_TEXT_MAX + 100
