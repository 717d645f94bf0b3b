"""Rows as documents: keys that sort, texts that no server takes for something else."""

from typing import Any

import msgspec
import pytest
from bson import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import StoreCorrupt
from realtime.rows import CHANNELS, MEMBERS, REACTIONS, TABLES, ChannelRow, MemberRow, ReactionRow
from realtime.stores.base import Key, Table
from realtime.stores.mongo.layout import layout_of
from tests.support.table_store import BYTES, TEXTS

texts = st.text(max_size=4) | st.text(alphabet="\x00\x01\x02a", max_size=4)
integers = st.integers(-(2**63), 2**63 - 1)
reaction_keys = st.tuples(texts, integers, texts, texts)


@given(reaction_keys, reaction_keys)
def test_ids_sort_as_keys_do(one: Key, other: Key) -> None:
    layout = layout_of(REACTIONS)
    ids = layout.id_of(one).encode(), layout.id_of(other).encode()
    assert (ids[0] < ids[1]) is (one < other)
    assert (ids[0] == ids[1]) is (one == other)


@given(st.tuples(texts, texts), st.tuples(texts, texts))
def test_no_text_of_a_key_reaches_over_another(one: Key, other: Key) -> None:
    layout = layout_of(MEMBERS)
    assert (layout.id_of(one) < layout.id_of(other)) is (one < other)


@pytest.mark.parametrize("key", [("room", 1), (1, "ann"), (b"room", "ann")])
def test_a_key_is_of_texts_and_integers(key: Key) -> None:
    layout = layout_of(CHANNELS)
    with pytest.raises(ValueError, match="a key has 1 parts"):
        layout.id_of(key)
    with pytest.raises(TypeError, match="a text or an integer"):
        layout.id_of((b"x",))


def test_an_integer_of_a_key_has_64_bits() -> None:
    for number in (2**63, -(2**63) - 1):
        with pytest.raises(ValueError, match="64 bits"):
            layout_of(REACTIONS).id_of(("room", number, "", ""))


@pytest.mark.parametrize("text", TEXTS)
def test_a_row_comes_back_as_it_was(text: str) -> None:
    layout = layout_of(MEMBERS)
    row = MemberRow(text, text, role=text, offset=-5, read=2**62)
    document = layout.document(row)
    assert layout.row(decode(encode(document))) == row
    for value in document.values():
        if isinstance(value, str):
            assert value[0] == ":", "neither empty nor like a number or a date"
            assert "\x00" not in value


@given(st.binary(max_size=20) | st.sampled_from(BYTES) | st.text().map(str.encode))
def test_bytes_come_back_as_they_were_and_others_are_others(data: bytes) -> None:
    layout = layout_of(CHANNELS)
    document = layout.document(ChannelRow("a", custom=data))
    assert isinstance(document["custom"], str)
    assert layout.row(decode(encode(document))).custom == data


def test_json_stays_legible() -> None:
    document = layout_of(CHANNELS).document(ChannelRow("a", custom='{"é": 1}'.encode()))
    assert document["custom"] == ':{"é": 1}'


def test_what_another_version_has_more_or_less_is_left_alone() -> None:
    layout = layout_of(MEMBERS)
    document = layout.document(MemberRow("room", "ann", role="owner", read=5))
    del document["read"], document["sent_id"]
    assert layout.row({**document, "later": {"x": 1}}) == MemberRow("room", "ann", role="owner")


@pytest.mark.parametrize("change", [{"read": "x"}, {"read": None}, {"role": 5}, {"user": None}])
def test_a_row_that_makes_no_sense_is_named_and_not_quoted(change: dict[str, Any]) -> None:
    document = layout_of(MEMBERS).document(MemberRow("room", "secret"))
    with pytest.raises(StoreCorrupt, match="members: there is a row") as caught:
        layout_of(MEMBERS).row({**document, **change})
    assert "secret" not in str(caught.value)


def test_a_row_without_its_key_is_corrupt() -> None:
    document = layout_of(MEMBERS).document(MemberRow("room", "ann"))
    del document["user"]
    with pytest.raises(StoreCorrupt):
        layout_of(MEMBERS).row(document)


def test_a_truth_value_is_kept_as_a_number() -> None:
    stored = layout_of(REACTIONS).document(ReactionRow("room", 1, "x", "ann", shown=True))
    assert type(stored["shown"]) is int


@pytest.mark.parametrize("value", [5, b"x", None, {"$ne": ""}])
def test_a_value_of_another_type_is_refused(value: Any) -> None:
    """What is not a text could be an operator to the server."""
    with pytest.raises(TypeError):
        layout_of(MEMBERS).stored("role", value)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_can_be_kept(table: Table[Any]) -> None:
    """An upsert that adds makes a row in which the field is what was added: so it begins at 0."""
    layout = layout_of(table)
    fields = {field.name: field.type for field in msgspec.structs.fields(table.row)}
    for field, kind in fields.items():
        assert kind in (str, int, bytes)
        if kind is int and field not in table.key:
            assert layout.default(field) == 0
    indexed = {field for index in table.indexes for field in index}
    assert all(fields[field] in (str, int) for field in (*table.key, *indexed))
