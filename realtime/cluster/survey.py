"""Questions to every hub at once, whose answers are counted together.

The bus may lose a question or an answer, so a survey is complete only when every living hub has
answered every part; otherwise it fails, and says so: half an answer would look like a whole one.
"""

import asyncio
import itertools
import logging
import uuid
from collections.abc import Iterator, Mapping
from typing import Final

from realtime.cluster.control import ANSWER, QUESTION, Answer, Question, Tell
from realtime.cluster.lease import LeaseKeeper
from realtime.errors import RealtimeError

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT_S: Final = 2.0
"""How long the others may take to answer, in seconds."""

PART_CHANNELS_MAX: Final = 500
"""Channels in one part of an answer: below a megabyte, whatever the names are made of."""

SURVEYS_MAX: Final = 16
"""Surveys under way at once; one more is refused."""

PARTS_MAX: Final = 10_000
"""Parts of one node's answer; a greater number is nothing that a node sends."""


class SurveyFailed(RealtimeError):
    """Not everybody answered. `silent`: the nodes that did not; empty: too many surveys at once."""

    def __init__(self, silent: frozenset[str] = frozenset()) -> None:
        super().__init__(silent)
        self.silent = silent

    def __str__(self) -> str:
        if not self.silent:
            return "too many surveys are under way"
        return f"no answer from {', '.join(sorted(self.silent))}"


class _Gathering:
    """The answers to one question."""

    def __init__(self, expected: frozenset[str]) -> None:
        self.channels: dict[str, int] = {}
        self.missing = set(expected)
        self.complete = asyncio.Event()
        self._parts: dict[str, set[int]] = {}
        self._lengths: dict[str, int] = {}

    def add(self, answer: Answer) -> None:
        """Count the answer in, once; the bus may repeat it."""
        parts = self._parts.setdefault(answer.node, set())
        if answer.part in parts or not 0 <= answer.part < PARTS_MAX:
            return
        parts.add(answer.part)
        for name, count in answer.channels.items():
            self.channels[name] = self.channels.get(name, 0) + count
        if answer.last:
            self._lengths[answer.node] = answer.part + 1
        if len(parts) == self._lengths.get(answer.node):
            self.missing.discard(answer.node)
            if not self.missing:
                self.complete.set()


class Surveys:
    """Asks and answers. The hub hands in every `Question` and `Answer` that it is told.

    `address` is where `tell`, called by another node, finds this one.
    """

    def __init__(self, tell: Tell, *, lease: LeaseKeeper, address: str) -> None:
        self._tell = tell
        self._lease = lease
        self._address = address
        self._gatherings: dict[str, _Gathering] = {}

    def __len__(self) -> int:
        """Surveys under way."""
        return len(self._gatherings)

    async def channels(self, pattern: str) -> dict[str, int]:
        """Subscriptions by channel on all other hubs that live; `pattern` as in `Question`.

        Raises SurveyFailed after `ANSWER_TIMEOUT_S`.
        """
        if len(self._gatherings) >= SURVEYS_MAX:
            raise SurveyFailed
        gathering = _Gathering(self._others())
        if not gathering.missing:
            return {}
        question = Question(uuid.uuid4().hex, self._address, "channels", pattern)
        self._gatherings[question.id] = gathering
        try:
            self._tell(QUESTION, question)
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await gathering.complete.wait()
        except TimeoutError:
            # Who has left or died meanwhile has no subscribers any more.
            silent = gathering.missing & self._others()
            if silent:
                raise SurveyFailed(frozenset(silent)) from None
        finally:
            del self._gatherings[question.id]
        return gathering.channels

    def answered(self, answer: Answer) -> None:
        """An answer has come in. Never waits; one to a survey that is over is ignored."""
        gathering = self._gatherings.get(answer.id)
        if gathering is not None and answer.node != self._lease.node:
            gathering.add(answer)

    async def answer(self, question: Question, channels: Mapping[str, int]) -> None:
        """Tell the asker what this node has, in parts.

        `channels` must not change while it runs. A part that the bus cannot take is lost, and the
        survey fails.
        """
        parts = list(_parts(channels))
        for number, part in enumerate(parts):
            last = number + 1 == len(parts)
            answer = Answer(question.id, self._lease.node, number, last, part)
            self._tell(ANSWER, answer, to=question.asker)
            await asyncio.sleep(0)

    def _others(self) -> frozenset[str]:
        """Living hubs but this one; workers have no channels and answer nothing."""
        infos = self._lease.infos
        own = self._lease.node
        return frozenset(node for node, info in infos.items() if info.role == "hub" and node != own)


def _parts(channels: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """At least one part, also where there are no channels: that is an answer, too."""
    items = iter(channels.items())
    yield dict(itertools.islice(items, PART_CHANNELS_MAX))
    while part := dict(itertools.islice(items, PART_CHANNELS_MAX)):
        yield part
