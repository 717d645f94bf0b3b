"""A user's name is taken out of what is ours, and nothing else is, whatever the user is called."""

import json

import pytest

from realtime.chat.traces import cleared, without
from realtime.model import Entry


@pytest.mark.parametrize("user", ["member", "act", "user", "invite", "", 'é"\\'])
def test_only_names_are_names(user: str) -> None:
    event = {
        "act": "invite",
        "user": user,
        "role": "member",
        "users": [{"user": user, "role": "member"}, {"user": "bob", "role": "member"}],
        "from": user,
    }
    assert json.loads(without(json.dumps(event, ensure_ascii=False).encode(), user)) == {
        "act": "invite",
        "user": "",
        "role": "member",
        "users": [{"user": "", "role": "member"}, {"user": "bob", "role": "member"}],
        "from": "",
    }


@pytest.mark.parametrize("data", [b'{"user": "bob"}', b"no json of ada", b'"ada"', b"\xff"])
def test_what_does_not_name_the_user_stays_byte_for_byte(data: bytes) -> None:
    assert without(data, "ada") == data


def test_the_data_of_a_message_is_its_senders() -> None:
    data = b'{"user":"ada"}'
    assert cleared(Entry("c", 1, data, 1), "ada") is None
    assert cleared(Entry("c", 1, data, 1, "edit"), "ada") is None
    change = cleared(Entry("c", 1, data, 1, "member"), "ada")
    assert change is not None
    assert change.data == b'{"user":""}'


@pytest.mark.parametrize(
    ("mentions", "left"),
    [
        ('["ada"]', None),
        ('["ada","bob"]', {"mentions": '["bob"]'}),
        ('["bob","adam"]', "unchanged"),
        ("ada", "unchanged"),
        ("[" * 5_000, "unchanged"),
    ],
)
def test_a_mention_goes_and_the_others_stay(mentions: str, left: object) -> None:
    change = cleared(Entry("c", 1, b"{}", 1, tags={"mentions": mentions}), "ada")
    assert (change.tags if change else "unchanged") == left
