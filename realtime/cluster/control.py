"""What hubs ask each other: the bodies of the `ControlMessage` kinds "question" and "answer".

A body is JSON; fields that the receiver does not know are ignored, so an older node is not confused
by a younger one. Nothing of it is promised: a question that is not answered fails.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

QUESTION: Final = "question"
ANSWER: Final = "answer"


class Question(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Asks every hub for its part of a survey.

    `id` is the asker's own, `asker` where the bus finds it. `what` says what is wanted; "channels"
    are those with subscribers whose name matches the glob `pattern`, "" for all.
    """

    id: str
    asker: str
    what: str = "channels"
    pattern: str = ""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One part of one node's answer to the question `id`.

    `node` is the id of the lease of the answering node. Parts are numbered from 0, and `last` marks
    the last of them. `channels` has the number of subscriptions by name.
    """

    id: str
    node: str
    part: int = 0
    last: bool = True
    channels: Mapping[str, int] = {}


class Tell(Protocol):
    """Tells one node, by its address on the bus, or all others. Never waits; may get lost."""

    def __call__(self, kind: str, body: msgspec.Struct, *, to: str | None = None) -> None:
        """Tell it."""
        ...
