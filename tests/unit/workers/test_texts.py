"""What a notification says, with literal templates."""

from types import MappingProxyType

import pytest

from realtime.settings.schema import ChannelOptions
from workers.texts import NAME_MAX, Said, text_of, title_and_body

SAID = Said("room", "Ann", "Lobby", "Hello {text} {0}", 3)


def test_without_templates_it_says_who_said_what_where() -> None:
    assert title_and_body(SAID, ChannelOptions(), "en") == ("Ann in Lobby", "Hello {text} {0}")


def test_in_a_channel_of_two_the_title_is_who_said_it() -> None:
    said = Said("direct", "Ann", "", "Hi", 1)
    assert title_and_body(said, ChannelOptions(), "") == ("Ann", "Hi")


def test_what_no_user_has_said_has_the_title_of_the_room() -> None:
    assert title_and_body(Said("room", "", "Lobby", "Hi", 1), ChannelOptions(), "") == (
        "Lobby",
        "Hi",
    )
    assert title_and_body(Said("direct", "", "", "Hi", 1), ChannelOptions(), "") == ("", "Hi")


def test_where_contents_are_not_to_leave_it_says_nothing() -> None:
    assert title_and_body(SAID, ChannelOptions(push_content=False), "en") == ("", "")


@pytest.mark.parametrize(
    ("locale", "title"),
    [
        ("pt-BR", "3 novas"),
        ("pt_BR", "3 novas"),
        ("PT-br-x", "3 novas"),
        ("pt-PT", "3 por ler"),
        ("de", "{Lobby}: Ann"),
        ("", "{Lobby}: Ann"),
    ],
)
def test_the_template_is_of_the_nearest_language(locale: str, title: str) -> None:
    templates = {
        "default": "{{{title}}}: {sender}",
        "pt": "{count} por ler",
        "pt-BR": "{count} novas",
    }
    options = ChannelOptions(push_title=MappingProxyType(templates))
    assert title_and_body(SAID, options, locale)[0] == title


def test_a_language_without_a_template_has_the_usual_one_where_there_is_no_default() -> None:
    options = ChannelOptions(push_body={"fr": "{sender} a écrit"})
    assert title_and_body(SAID, options, "de")[1] == "Hello {text} {0}"
    assert title_and_body(SAID, options, "fr")[1] == "Ann a écrit"


def test_names_are_cut() -> None:
    said = Said("room", "A" * 1000, "B" * 1000, "x", 1)
    title, _ = title_and_body(said, ChannelOptions(), "")
    assert title == f"{'A' * NAME_MAX} in {'B' * NAME_MAX}"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"text": "hi", "more": 1}', "hi"),
        (b'{"text": 4}', ""),
        (b'"hi"', ""),
        (b"{}", ""),
        (b"\xff", ""),
        (b"[" * 5000, ""),
    ],
)
def test_the_text_of_a_message_is_its_member_of_that_name(data: bytes, text: str) -> None:
    assert text_of(data) == text
