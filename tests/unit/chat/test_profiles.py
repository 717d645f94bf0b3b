import msgspec
import pytest

from realtime.chat.calls.users import CUSTOM_MAX_BYTES, UpdateUser
from realtime.chat.profiles import (
    TokenInfo,
    changes,
    custom_of,
    info_of,
    is_avatar,
    is_locale,
    is_name,
    is_time_zone,
)
from realtime.errors import CallRefused


def update(**fields: object) -> UpdateUser:
    return msgspec.convert({"user": "ann", "client_id": "1", **fields}, UpdateUser)


@pytest.mark.parametrize("name", ["Ann", "A", "Ann Lee", "李安", "👩‍👩‍👧", "O'Neil <3", "x" * 100])
def test_a_name_may_be_any_line(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", " ", "\u2003", "Ann\n", "\x00", "a\tb", "ann\u202egpj", "\u2028", "x" * 101]
)
def test_a_name_is_not_blank_and_does_not_break_its_line(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize(
    "address",
    [
        "https://cdn.example/ann.png",
        "http://127.0.0.1:8000/a?size=1#x",
        "https://[::1]/a",
        "https://例え.jp/a.png",
        "HTTPS://cdn.example/a",
    ],
)
def test_an_avatar_is_an_address_of_the_web(address: str) -> None:
    assert is_avatar(address)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "//cdn.example/a.png",
        "https:///a.png",
        "https://",
        "https://ann:secret@cdn.example/a",
        'https://cdn.example/a"onerror="',
        "https://cdn.example/a b",
        "https://cdn.example/\na",
        "https://[::1/a",
        "https://cdn.example/" + "a" * 1024,
        "ann.png",
    ],
)
def test_nothing_else_is_an_avatar(address: str) -> None:
    assert not is_avatar(address)


@pytest.mark.parametrize(
    "tag", ["en", "pt-BR", "zh-Hant-TW", "es-419", "sl-rozaj-biske", "de-DE-u-co-phonebk", "en-x-a"]
)
def test_a_locale_is_a_language_tag(tag: str) -> None:
    assert is_locale(tag)


@pytest.mark.parametrize("tag", ["e", "en_US", "en-", "-en", "english please", "en--US", "en\n"])
def test_what_is_no_language_tag_is_no_locale(tag: str) -> None:
    assert not is_locale(tag)


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_a_time_zone_is_one_of_the_database(name: str) -> None:
    assert is_time_zone(name)


@pytest.mark.parametrize(
    "name", ["Europe/Atlantis", "../etc/passwd", "/etc/localtime", "europe/berlin ", "CET\x00"]
)
def test_other_time_zones_are_refused(name: str) -> None:
    assert not is_time_zone(name)


def test_a_custom_object_loses_its_spaces_and_nothing_else() -> None:
    raw = msgspec.Raw(b'{ "big": 12345678901234567890123,\n "e": 1.50, "text": "a b" }')
    assert custom_of(raw) == b'{"big":12345678901234567890123,"e":1.50,"text":"a b"}'
    assert custom_of(msgspec.Raw(b" { } ")) == b""


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"{", b"[" * 5_000, b'{"a":"\xff"}'])
def test_custom_is_an_object(raw: bytes) -> None:
    with pytest.raises(CallRefused) as refused:
        custom_of(msgspec.Raw(raw))
    assert (refused.value.error.code, refused.value.field) == (422, "custom")


def test_a_custom_object_is_bounded() -> None:
    text = "x" * (CUSTOM_MAX_BYTES - len('{"a":""}'))
    assert len(custom_of(msgspec.Raw(b'{"a": "%s"}' % text.encode()))) == CUSTOM_MAX_BYTES
    with pytest.raises(CallRefused) as refused:
        custom_of(msgspec.Raw(b'{"a":"%sx"}' % text.encode()))
    assert (refused.value.error.code, refused.value.field) == (413, "custom")


def test_an_update_sets_what_it_names_and_empties_what_is_empty() -> None:
    assert changes(update()) == {}
    assert changes(update(name="Ann", avatar="", receipts_off=True, hides_last_seen=False)) == {
        "name": "Ann",
        "avatar": "",
        "receipts_off": 1,
        "hides_last_seen": 0,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "\n"), ("avatar", "x"), ("locale", "en_US"), ("time_zone", "Mars/Base")],
)
def test_what_does_not_fit_is_refused_by_its_name(field: str, value: str) -> None:
    with pytest.raises(CallRefused) as refused:
        changes(update(**{field: value}))
    assert (refused.value.error.code, refused.value.field) == (422, field)


@pytest.mark.parametrize(
    ("info", "taken"),
    [
        (
            b'{"name":"Ann","avatar":"https://a.example/a","team":[1]}',
            ("Ann", "https://a.example/a"),
        ),
        (b'{"name":"Ann","avatar":null}', ("Ann", "")),
        (b'{"name":{"first":"Ann"}}', ("", "")),
        (b'{"name":"\\n"}', ("", "")),
        (b'"Ann"', ("", "")),
        (b"", ("", "")),
        (b"\xff", ("", "")),
    ],
)
def test_an_info_says_as_much_as_can_be_used(info: bytes, taken: tuple[str, str]) -> None:
    assert info_of(info) == TokenInfo(*taken)
