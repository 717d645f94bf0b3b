"""What each channel may do: namespaces compiled once, names resolved and remembered."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from realtime.auth.permissions import Permissions
from realtime.channels.names import fits, is_plain, parse
from realtime.errors import BAD_REQUEST, UNKNOWN_CHANNEL, CommandRefused
from realtime.model import NOTHING, Retention
from realtime.settings.schema import ChannelOptions

RESOLVED_MAX: Final = 16_384
"""Channel names whose rules are remembered."""


class ChannelRules:
    """A namespace's options, compiled. One object serves all channels of the namespace.

    `push`: members who are away are told of messages.
    """

    __slots__ = (
        "channel_regex",
        "chat",
        "data_format",
        "force_push_join_leave",
        "has_history",
        "join_leave",
        "namespace",
        "options",
        "permissions",
        "presence",
        "push",
        "retention",
        "user_limited",
    )

    def __init__(self, namespace: str, options: ChannelOptions) -> None:
        self.namespace = namespace
        self.options = options
        self.chat = options.chat
        self.has_history = options.history_size != 0
        self.retention = Retention(options.history_size, options.history_ttl_ms)
        self.presence = options.presence
        self.join_leave = options.join_leave
        self.force_push_join_leave = options.force_push_join_leave
        self.push = options.chat == "room" and options.push != ""
        self.user_limited = options.user_limited
        self.channel_regex = re.compile(options.channel_regex) if options.channel_regex else None
        self.data_format = options.data_format
        self.permissions = Permissions(
            subscribe=options.subscribe,
            publish=options.publish,
            read_history=options.read_history,
            read_presence=options.read_presence,
        )

    def __repr__(self) -> str:
        return f"<ChannelRules of {self.namespace or 'channels without a namespace'}>"


class Channel(msgspec.Struct, frozen=True):
    """A channel name that is valid, and the rules of its namespace.

    `private` needs a subscription token. `users` alone may subscribe, None where the name limits
    nobody; `is_restricted` says that one of the two applies. `fits_regex`: it matches the
    namespace's `channel_regex`, which binds clients only.
    """

    name: str
    rules: ChannelRules
    private: bool
    users: frozenset[str] | None
    fits_regex: bool
    is_restricted: bool


class RuleBook:
    """All namespaces of a hub."""

    def __init__(self, unnamed: ChannelOptions, namespaces: Mapping[str, ChannelOptions]) -> None:
        self._rules = {name: ChannelRules(name, options) for name, options in namespaces.items()}
        self._rules[""] = ChannelRules("", unnamed)
        self._resolved: dict[str, Channel] = {}

    def resolve(self, name: str) -> Channel:
        """The channel's rules.

        Raises CommandRefused: 107 for a name that cannot be one (4.1), 102 for a namespace that is
        not configured.
        """
        channel = self._resolved.get(name)
        if channel is None:
            channel = self._resolve(name)
            if len(self._resolved) >= RESOLVED_MAX:
                self._resolved.clear()
            self._resolved[name] = channel
        return channel

    def retention(self, name: str) -> Retention:
        """What may be seen of a channel; nothing where its namespace is not configured any more."""
        rules = self._rules.get(parse(name).namespace)
        return rules.retention if rules is not None else NOTHING

    def _resolve(self, name: str) -> Channel:
        if not fits(name):
            raise CommandRefused(BAD_REQUEST)
        parts = parse(name)
        rules = self._rules.get(parts.namespace)
        if rules is None:
            raise CommandRefused(UNKNOWN_CHANNEL)
        regex = rules.channel_regex
        if regex is None and not is_plain(name):
            raise CommandRefused(BAD_REQUEST)
        fits_regex = regex is None or regex.search(parts.rest) is not None
        is_restricted = parts.private or parts.users is not None
        return Channel(name, rules, parts.private, parts.users, fits_regex, is_restricted)
