"""Channel names (protocol 4.1): `$private`, `namespace:rest`, `rest#user,user`."""

import re
from typing import Final

import msgspec

NAME_MAX_BYTES: Final = 255
"""The longest channel name, in bytes of UTF-8 (4.1)."""

# Printable ASCII but the three characters that 4.1 reserves: `*`, `&` and `/`.
_PLAIN: Final = re.compile(r"[ -%'-)+-.0-~]+")


class ChannelName(msgspec.Struct, frozen=True, gc=False):
    """A channel name in its parts.

    `namespace` is "" for channels without one. `rest` is what follows it. `private` names begin
    with `$`. `users` are the only users that may subscribe, None where the name limits nobody.
    """

    namespace: str
    rest: str
    private: bool
    users: frozenset[str] | None


def parse(channel: str) -> ChannelName:
    """Split a channel name; whether it is valid is for `is_plain` and the namespace to say."""
    name = channel
    private = name.startswith("$")
    if private:
        name = name[1:]
    namespace, colon, rest = name.partition(":")
    if not colon:
        namespace, rest = "", name
    _, boundary, users = rest.rpartition("#")
    return ChannelName(namespace, rest, private, frozenset(users.split(",")) if boundary else None)


def fits(channel: str) -> bool:
    """Whether the name is neither empty nor too long."""
    if not channel or len(channel) > NAME_MAX_BYTES:
        return False
    return channel.isascii() or len(channel.encode()) <= NAME_MAX_BYTES


def is_plain(channel: str) -> bool:
    """Whether every character is allowed where no `channel_regex` lifts the rule."""
    return _PLAIN.fullmatch(channel) is not None
