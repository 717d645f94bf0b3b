"""The schema's types, read."""

from collections.abc import Mapping
from typing import Annotated, Literal

import pytest

from realtime.settings.bounds import Pem, Range
from realtime.settings.kinds import KINDS, NAMESPACES, OPTION_KINDS, SECTIONS, Kind, kind_of
from realtime.settings.schema import ChannelOptions, ServerSettings
from realtime.settings.secret import Secret


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (bool, Kind(bool)),
        (Annotated[int, Range(1, 5)], Kind(int, Range(1, 5))),
        (Annotated[int, Range(1, 5)] | None, Kind(int, Range(1, 5), optional=True)),
        (Annotated[str, Pem("RSA")] | None, Kind(str, Pem("RSA"), optional=True)),
        (Secret | None, Kind(Secret, optional=True)),
        (tuple[Secret, ...], Kind(Secret, many=True)),
        (Literal["a", "b"], Kind(str, choices=("a", "b"))),
        (tuple[Literal["a", "b"], ...], Kind(str, choices=("a", "b"), many=True)),
        (Mapping[str, Annotated[int, Range(1, 5)]], Kind(int, Range(1, 5), named=True)),
    ],
)
def test_a_type_of_the_schema_is_a_kind(hint: object, kind: Kind) -> None:
    assert kind_of(hint) == kind


@pytest.mark.parametrize("hint", [dict, bytes, Mapping[int, str]])
def test_a_type_that_cannot_be_checked_is_an_error_at_once(hint: object) -> None:
    with pytest.raises(TypeError, match="cannot be checked"):
        kind_of(hint)


def test_every_number_in_the_schema_has_a_range() -> None:
    kinds = [kind for section in (*KINDS.values(), OPTION_KINDS) for kind in section.values()]
    assert [kind for kind in kinds if kind.base in (int, float) and kind.bound is None] == []


def test_secrets_keys_and_what_may_hold_a_password_come_from_files_and_nothing_else_does() -> None:
    assert [
        f"{section}.{key}"
        for section, kinds in KINDS.items()
        for key, kind in kinds.items()
        if kind.from_file
    ] == [
        "api.keys",
        "auth.hmac_secret",
        "auth.hmac_previous_secret",
        "auth.rsa_public_key",
        "auth.ecdsa_public_key",
        "store.url",
        "broker.url",
        "chat.hook_secret",
        "webpush.vapid_private_key",
    ]


def test_namespaces_are_no_section_with_keys_of_its_own() -> None:
    assert NAMESPACES not in SECTIONS
    assert SECTIONS["server"] is ServerSettings
    assert SECTIONS["channels"] is ChannelOptions
