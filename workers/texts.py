"""What a notification says, by the namespace's templates and the device's language. Pure."""

import string
from collections.abc import Mapping
from typing import Final

import msgspec

from realtime.settings.schema import ChannelOptions

DEFAULT: Final = "default"
"""The language of the templates for all languages that have none."""

TITLES: Final = {"room": "{sender} in {title}", "direct": "{sender}", "nobody": "{title}"}
BODY: Final = "{text}"
"""Templates where the namespace has none."""

NAME_MAX: Final = 100
"""Characters of a name or a title; text is cut to what the provider takes."""

TEXT_MAX: Final = 4_000
"""Characters of a text."""


class Said(msgspec.Struct, frozen=True):
    """What templates may say: who said what where, and how much is unread there.

    `sender` is "" for what an app's backend or a guest has said, `title` where the room has none,
    `text` where the message has none of its own.
    """

    kind: str
    sender: str
    title: str
    text: str
    count: int


class _Data(msgspec.Struct):
    text: str = ""


_read: Final = msgspec.json.Decoder(_Data).decode


def text_of(data: bytes) -> str:
    """The text of a message: the member `text` of its data, if there is one that is a text."""
    try:
        return _read(data).text
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def title_and_body(said: Said, options: ChannelOptions, locale: str) -> tuple[str, str]:
    """A notification's title and body; two empty texts in content-free mode."""
    if not options.push_content:
        return "", ""
    usual = TITLES["room" if said.title and said.sender else "direct" if said.sender else "nobody"]
    title = _chosen(options.push_title, locale) or usual
    body = _chosen(options.push_body, locale) or BODY
    return _filled(title, said), _filled(body, said)


def _chosen(templates: Mapping[str, str], locale: str) -> str:
    """The template for a language: "pt-BR", else "pt", else the default; "" for none.

    Languages are compared as RFC 4647 does (3.4, lookup): letter case and `_` for `-` do not count.
    """
    if not templates:
        return ""
    by_language = {_plain(name): template for name, template in templates.items()}
    wanted = _plain(locale)
    while wanted:
        if wanted in by_language:
            return by_language[wanted]
        wanted = wanted.rpartition("-")[0]
    return by_language.get(DEFAULT, "")


def _plain(locale: str) -> str:
    return locale.replace("_", "-").lower()


def _filled(template: str, said: Said) -> str:
    values = {
        "sender": said.sender[:NAME_MAX],
        "title": said.title[:NAME_MAX],
        "text": said.text[:TEXT_MAX],
        "count": str(said.count),
    }
    parts = []
    for literal, name, _, _ in string.Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            parts.append(values[name])
    return "".join(parts)
