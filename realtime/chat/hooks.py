"""Asking the app before a message is stored (`chat.hook_url`)."""

from typing import Protocol

import msgspec

from realtime.chat.caller import Caller


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the app is asked: may `user` say this there? The hook's body, as JSON.

    `data` is the message's, as it came; `kind` is "message", "edit" or "post". `client_id` is the
    app's own, "" where the message has none; `ref` the message that is edited or replied to.
    """

    kind: str
    channel: str
    user: str
    data: msgspec.Raw
    client_id: str = ""
    ref: int = 0
    mentions: list[str] = []


class Verdict(msgspec.Struct, frozen=True):
    """What the app answers: whether, and instead of what was sent, what (any JSON)."""

    allow: bool
    data: msgspec.Raw = msgspec.Raw()


class Hook(Protocol):
    """Whom to ask."""

    async def ask(self, caller: Caller, question: Question) -> bytes:
        """The data to be stored: the question's, or what the app put in its place.

        Raises CallRefused: 103 (why=refused_by_hook), 413 where what the app put there is too long,
        and 100 where nobody answers and the settings say that this refuses (`chat.hook_fail`).
        """
        ...
