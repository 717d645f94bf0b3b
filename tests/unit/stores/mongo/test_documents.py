"""Entries as documents: nothing is lost, and nothing that clients name is the name of a field."""

import msgspec
import pytest
from bson import decode, encode

from realtime.errors import StoreCorrupt
from realtime.model import ClientInfo, Entry
from realtime.stores.mongo.documents import ADDED, from_entry, from_new, to_entry
from tests.contract.test_stores import HOSTILE
from tests.support.log_entries import new_entry

INFO = ClientInfo("ann", "c1", b'{"name": "Ann"}', b"\x00\xff")

WHOLE = Entry(
    channel="a\x00b",
    offset=7,
    data=b"\x00\xff{}",
    at=1_700_000_000_000,
    kind="edit",
    sender="user:\x01",
    client_id="$ne",
    digest=b"\x00",
    ref=3,
    info=INFO,
    tags={"$set": "\x00", "": ".", "a.b": "$"},
    edited_at=5,
    deleted_at=6,
    n=4,
    counts=True,
    changed=9,
    pending=True,
    summary=b'{"\x00": 1}',
    notify=True,
)


@pytest.mark.parametrize(
    "entry",
    [
        WHOLE,
        Entry("a", 1, b"", 0),
        msgspec.structs.replace(
            WHOLE, data=b"", info=None, tags=None, stub=True, summary=b"", notify=False
        ),
        *[Entry(text, 1, b"x", 1, sender=text, client_id=text) for text in HOSTILE],
    ],
)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert to_entry(decode(encode(from_entry(entry)))) == entry


def test_each_document_has_an_id_of_its_own_and_the_same_fields() -> None:
    """A server may not match a field that is absent, as NX-27017 does not with `$ne`."""
    bare = from_new(new_entry("a", "1"))
    full = from_new(new_entry("a", "1", info=INFO, tags={"$inc": "1", "a": "b"}))
    assert bare["_id"] != full["_id"]
    assert list(bare) == list(full) == list(from_entry(WHOLE))
    assert all(value is not None for value in bare.values())


def test_no_name_of_a_tag_is_a_field() -> None:
    document = from_new(new_entry("a", "1", tags={"$where": "1", "stub": "1"}))
    assert document["stub"] == 0
    assert isinstance(document["tags"], bytes)


def test_an_entry_at_or_below_the_mark_is_a_stub() -> None:
    document = from_entry(WHOLE)
    assert to_entry(document, blanked_to=6) == WHOLE
    stub = to_entry(document, blanked_to=7)
    assert (stub.stub, stub.data, stub.info, stub.tags) == (True, b"", None, None)
    assert (stub.client_id, stub.digest, stub.edited_at) == ("$ne", b"\x00", 5)
    assert (stub.n, stub.counts, stub.pending, stub.summary) == (4, True, True, b"")
    assert not stub.notify


def test_what_an_older_version_did_not_have_is_nothing() -> None:
    document = {key: value for key, value in from_entry(WHOLE).items() if key not in ADDED}
    assert to_entry(document) == msgspec.structs.replace(
        WHOLE, n=0, counts=False, changed=0, pending=False, summary=b"", notify=False
    )


def test_fields_of_a_later_version_are_left_alone() -> None:
    assert to_entry({**from_entry(WHOLE), "pinned": {"by": "bob"}}) == WHOLE


@pytest.mark.parametrize(
    "change",
    [{"o": None}, {"o": "x"}, {"c": 5}, {"data": None}, {"tags": b"\xff"}, {"info": b"\x90"}],
)
def test_a_document_that_makes_no_sense_is_named_and_not_quoted(
    change: dict[str, object],
) -> None:
    with pytest.raises(StoreCorrupt, match="cannot read") as caught:
        to_entry({**from_entry(WHOLE), **change})
    assert "Ann" not in str(caught.value)
