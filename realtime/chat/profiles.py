"""What a user may be called, and how the rest of a profile must look. Pure."""

import functools
import re
import unicodedata
import zoneinfo
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from realtime.chat.calls.users import (
    AVATAR_MAX,
    CUSTOM_MAX_BYTES,
    NAME_MAX,
    UpdateUser,
    UserProfile,
)
from realtime.chat.refusals import invalid
from realtime.errors import TOO_LARGE, CallRefused
from realtime.rows import UserRow
from realtime.stores.base import Value

# The shape of RFC 5646, 2.1, without the irregular tags that are registered for old times' sake.
_LANGUAGE_TAG: Final = re.compile(
    r"[A-Za-z]{2,8}"
    r"(-[A-Za-z]{3}){0,3}"
    r"(-[A-Za-z]{4})?"
    r"(-([A-Za-z]{2}|[0-9]{3}))?"
    r"(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
    r"(-[0-9A-WYZa-wyz](-[A-Za-z0-9]{2,8})+)*"
    r"(-[Xx](-[A-Za-z0-9]{1,8})+)?"
)

_ZONE_NAME: Final = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")

# Bidirectional controls turn round the line that a name stands in.
_MISLEADING: Final = re.compile("[\u2028\u2029\u202a-\u202e\u2066-\u2069]")

# Spaces, controls and what ends an attribute of a page.
_NOT_IN_ADDRESSES: Final = re.compile(r"[\x00-\x20\x7f<>\"\\^`{|}\s]")


class TokenInfo(msgspec.Struct, frozen=True):
    """What a token's `info` says of its user; anything else in it is the app's."""

    name: str = ""
    avatar: str = ""


NOTHING: Final = TokenInfo()
"""What a token says that has no info, or none of this."""


class _Info(msgspec.Struct, frozen=True):
    # Apps put what they like into an info: what is not text is no reason to ignore the rest.
    name: Any = ""
    avatar: Any = ""


_read_info: Final = msgspec.json.Decoder(_Info).decode
_read_object: Final = msgspec.json.Decoder(dict[str, Any]).decode


def changes(params: UpdateUser) -> dict[str, Value]:
    """The fields of a row that an update sets. Raises CallRefused: 413, 422 with the field."""
    checks = (
        ("name", params.name, is_name),
        ("avatar", params.avatar, is_avatar),
        ("locale", params.locale, is_locale),
        ("time_zone", params.time_zone, is_time_zone),
    )
    changed: dict[str, Value] = {}
    for field, text, fits in checks:
        if isinstance(text, str):
            if text and not fits(text):
                raise invalid(field)
            changed[field] = text
    if isinstance(params.custom, msgspec.Raw):
        changed["custom"] = custom_of(params.custom)
    for field, truth in (
        ("receipts_off", params.receipts_off),
        ("hides_last_seen", params.hides_last_seen),
    ):
        if isinstance(truth, bool):
            changed[field] = int(truth)
    return changed


def custom_of(raw: msgspec.Raw) -> bytes:
    """A custom object without the spaces in it; b"" for an empty one. Raises CallRefused."""
    try:
        found = _read_object(raw)
        compact = msgspec.json.format(bytes(raw), indent=-1)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise invalid("custom") from None
    if len(compact) > CUSTOM_MAX_BYTES:
        raise CallRefused(TOO_LARGE, field="custom")
    return compact if found else b""


def is_name(name: str) -> bool:
    """Whether it is one line, and not blank: names stand in titles of notifications."""
    return 0 < len(name) <= NAME_MAX and is_line(name)


def is_line(text: str) -> bool:
    """Whether it is one line, however long, that is not blank and reads as it is written."""
    return (
        not text.isspace()
        and not _MISLEADING.search(text)
        and all(unicodedata.category(character) != "Cc" for character in text)
    )


def is_avatar(address: str) -> bool:
    """Whether it is an address of the web.

    No `data:`, which would put pictures into every list of members, no other scheme, which a
    careless page would run, and no user or password, which everybody would see.
    """
    if len(address) > AVATAR_MAX or _NOT_IN_ADDRESSES.search(address):
        return False
    try:
        parts = urlsplit(address)
        return (
            parts.scheme in ("https", "http") and bool(parts.hostname) and "@" not in parts.netloc
        )
    except ValueError:  # brackets that hold no IPv6 address
        return False


def is_locale(tag: str) -> bool:
    """Whether it looks like a language tag (BCP 47)."""
    return _LANGUAGE_TAG.fullmatch(tag) is not None


def is_time_zone(name: str) -> bool:
    """Whether the system's zone database has it; where there is none, whether it looks like one."""
    zones = time_zones()
    return name in zones if zones else _ZONE_NAME.fullmatch(name) is not None


@functools.cache
def time_zones() -> frozenset[str]:
    """All names of the system's zone database. Reads many files the first time."""
    return frozenset(zoneinfo.available_timezones())


def info_of(conn_info: bytes) -> TokenInfo:
    """What a token's `info` (raw JSON) says, without what cannot be a name or an avatar."""
    try:
        info = _read_info(conn_info or b"{}")
    except (msgspec.DecodeError, RecursionError):
        return NOTHING
    name, avatar = info.name, info.avatar
    return TokenInfo(
        name if isinstance(name, str) and is_name(name) else "",
        avatar if isinstance(avatar, str) and is_avatar(avatar) else "",
    )


def profile_of(row: UserRow, *, private: bool) -> UserProfile:
    """What is told of a user; `private`: to the user, or to an admin."""
    custom = msgspec.Raw(row.custom) if row.custom else msgspec.UNSET
    if not private:
        return UserProfile(row.user, row.name, row.avatar, custom)
    return UserProfile(
        row.user,
        row.name,
        row.avatar,
        custom,
        row.locale,
        row.time_zone,
        receipts_off=bool(row.receipts_off),
        hides_last_seen=bool(row.hides_last_seen),
    )
