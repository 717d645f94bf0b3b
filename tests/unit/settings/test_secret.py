"""Secrets do not show."""

import dataclasses
import logging

import pytest

from realtime.settings.schema import ApiSettings, AuthSettings, Settings
from realtime.settings.secret import Secret

TEXT = "open sesame"


def test_only_reveal_gives_the_text_away() -> None:
    assert Secret(TEXT).reveal() == TEXT


@pytest.mark.parametrize(
    "shown",
    [
        str(Secret(TEXT)),
        repr(Secret(TEXT)),
        f"{Secret(TEXT)}",
        f"{Secret(TEXT)!r}",
        "{}".format(Secret(TEXT)),  # noqa: UP032
        "%s" % Secret(TEXT),  # noqa: UP031
        "%r" % Secret(TEXT),  # noqa: UP031
    ],
)
def test_every_way_to_print_it_prints_three_stars(shown: str) -> None:
    assert shown == "***"


def test_a_format_width_pads_the_stars() -> None:
    assert f"{Secret(TEXT):>5}" == "  ***"


def test_it_does_not_show_in_a_container_or_in_settings() -> None:
    settings = Settings(
        auth=AuthSettings(hmac_secret=Secret(TEXT)), api=ApiSettings(keys=(Secret(TEXT),))
    )
    assert TEXT not in repr(settings)
    assert TEXT not in str([Secret(TEXT)])
    assert TEXT not in str(dataclasses.asdict(settings.auth))


def test_it_does_not_show_in_a_log(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("key %s %r", Secret(TEXT), {"key": Secret(TEXT)})
    assert caplog.messages == ["key *** {'key': ***}"]


def test_it_has_no_attribute_with_the_text() -> None:
    secret = Secret(TEXT)
    assert not hasattr(secret, "__dict__")
    assert not [name for name in dir(secret) if not name.startswith("_") and name != "reveal"]


def test_secrets_of_the_same_text_are_equal_and_hash_alike() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert hash(Secret(TEXT)) == hash(Secret(TEXT))
    assert Secret(TEXT) != Secret(TEXT + "!")


def test_a_secret_is_not_equal_to_its_text() -> None:
    assert Secret(TEXT) != TEXT


def test_a_text_that_is_not_unicode_compares_unequal_and_does_not_raise() -> None:
    assert Secret("\ud800") != Secret(TEXT)
    assert Secret("é") != Secret("e")
