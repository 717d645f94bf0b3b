"""Channel names by the rules of protocol 4.1."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.channels.names import NAME_MAX_BYTES, ChannelName, fits, is_plain, parse


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        ("news", ChannelName("", "news", False, None)),
        ("chat:7", ChannelName("chat", "7", False, None)),
        ("chat:a:b", ChannelName("chat", "a:b", False, None)),
        ("chat:", ChannelName("chat", "", False, None)),
        (":7", ChannelName("", "7", False, None)),
        (":", ChannelName("", "", False, None)),
        ("$news", ChannelName("", "news", True, None)),
        ("$chat:7", ChannelName("chat", "7", True, None)),
        ("$", ChannelName("", "", True, None)),
        ("$$news", ChannelName("", "$news", True, None)),
        ("chat:$7", ChannelName("chat", "$7", False, None)),
        ("dialog#42", ChannelName("", "dialog#42", False, frozenset({"42"}))),
        ("#42", ChannelName("", "#42", False, frozenset({"42"}))),
        ("chat:dialog#42,43", ChannelName("chat", "dialog#42,43", False, frozenset({"42", "43"}))),
        ("$chat:x#1", ChannelName("chat", "x#1", True, frozenset({"1"}))),
        # The last boundary counts, and what is before the colon is the namespace's name.
        ("a#1#2,3", ChannelName("", "a#1#2,3", False, frozenset({"2", "3"}))),
        ("a#1:b", ChannelName("a#1", "b", False, None)),
        ("dialog#", ChannelName("", "dialog#", False, frozenset({""}))),
        ("dialog#1,,2", ChannelName("", "dialog#1,,2", False, frozenset({"1", "", "2"}))),
        ("", ChannelName("", "", False, None)),
    ],
)
def test_a_name_has_parts(channel: str, name: ChannelName) -> None:
    assert parse(channel) == name


@given(st.text(), st.text(), st.sampled_from(["", "$"]))
def test_the_parts_make_the_name_again(namespace: str, rest: str, dollar: str) -> None:
    whole = dollar + namespace.replace(":", "").lstrip("$") + ":" + rest
    name = parse(whole)
    assert ("$" if name.private else "") + name.namespace + ":" + name.rest == whole
    assert name.private == (dollar == "$")
    assert (name.users is None) == ("#" not in rest)


@pytest.mark.parametrize("character", [".", "é", "€", "😀"])
def test_a_name_may_have_255_bytes_of_utf_8(character: str) -> None:
    width = len(character.encode())
    longest = character * (NAME_MAX_BYTES // width)
    assert NAME_MAX_BYTES == 255
    assert fits(longest)
    assert fits(longest[:-1])
    assert not fits(longest + character)


def test_a_name_is_not_empty() -> None:
    assert not fits("")
    assert not is_plain("")


def test_a_plain_name_has_printable_ascii_without_the_reserved_characters() -> None:
    allowed = {chr(code) for code in range(0x20, 0x7F)} - set("*&/")
    assert {chr(code) for code in range(0x500) if is_plain(chr(code))} == allowed
    assert is_plain("".join(sorted(allowed)))


@pytest.mark.parametrize("character", ["*", "&", "/", "\n", "\x00", "\x7f", "é", "\u2028", "😀"])
def test_one_character_out_of_place_makes_a_name_not_plain(character: str) -> None:
    for name in (character + "news", "ne" + character + "ws", "news" + character):
        assert not is_plain(name)
    assert is_plain("news" + string.ascii_letters + string.digits + "$:#,-_.@~")
