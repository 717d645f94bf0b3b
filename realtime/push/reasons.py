"""Why somebody was told of a message, or was not: the closed list, with a sentence for each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Reason = Literal[
    "never_recipient",
    "own_message",
    "seen",
    "read",
    "muted",
    "quiet_hours",
    "blocked",
    "not_a_member",
    "deleted",
    "expired",
    "merged",
    "waiting",
    "no_device",
    "address_dead",
    "refused",
    "sent",
    "sent_again",
    "superseded",
    "unknown",
]
"""Each is decided for a user and a message, some for a device as well."""

SENTENCES: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        "never_recipient": "The user is not told of such messages here, by their settings or the"
        " channel's.",
        "own_message": "The user has sent it.",
        "seen": "A device in the foreground had it in time.",
        "read": "The user had read it already.",
        "muted": "The user had muted the channel, or everything.",
        "quiet_hours": "The user's quiet hours: it waits until they are over.",
        "blocked": "The user and who has sent it block one another, or one the other.",
        "not_a_member": "The user is not in the channel, or was not then.",
        "deleted": "It was deleted before anybody was told.",
        "expired": "It was too old by the time at which the user could be told.",
        "merged": "One notification told of it and of later messages.",
        "waiting": "It is not decided yet, or is to be tried again.",
        "no_device": "The user has no device that can be notified.",
        "address_dead": "The service knows the device's address no more, or not for this app.",
        "refused": "The service will not take it.",
        "sent": "The service has taken it.",
        "sent_again": "The service has taken it again: it is not known whether a worker that died"
        " had sent it before. The device shows it once.",
        "superseded": "A notification of a later message has taken its place.",
        "unknown": "This is not known any more.",
    }
)

OF_THE_MESSAGE: Final[frozenset[Reason]] = frozenset(
    {"own_message", "blocked", "deleted", "never_recipient"}
)
"""Reasons that lie in one message, and say nothing of those before it."""


def sentence(reason: Reason, detail: str = "") -> str:
    """What an operator or a developer reads; `detail` says more where there is more."""
    return f"{SENTENCES[reason]} ({detail})" if detail else SENTENCES[reason]
