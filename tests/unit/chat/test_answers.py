from collections.abc import AsyncIterator

import pytest

from realtime.chat.answers import Answers, digest
from realtime.chat.refusals import denied
from realtime.errors import CallRefused, StoreUnavailable
from realtime.rows import ANSWERS
from tests.support.chat import ChatParts, chat_parts

COMMAND = digest("x.do", "ann", 1)


@pytest.fixture
async def parts() -> AsyncIterator[ChatParts]:
    async with chat_parts() as made:
        yield made


@pytest.fixture
def answers(parts: ChatParts) -> Answers:
    return Answers(parts.store, parts.clock, ttl_ms=1_000)


class Act:
    """Something that is done, and how often."""

    def __init__(self, *outcomes: bytes | Exception) -> None:
        self.times = 0
        self._outcomes = outcomes

    async def __call__(self) -> bytes:
        self.times += 1
        outcome = self._outcomes[min(self.times, len(self._outcomes)) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def test_a_retry_is_answered_and_not_done(answers: Answers) -> None:
    act = Act(b'"first"', b'"second"')
    assert await answers.once("ann", "1", COMMAND, act) == b'"first"'
    assert await answers.once("ann", "1", COMMAND, act) == b'"first"'
    assert act.times == 1


async def test_each_user_and_client_id_is_a_call_of_its_own(answers: Answers) -> None:
    act = Act(b"1")
    await answers.once("ann", "1", COMMAND, act)
    await answers.once("ann", "2", COMMAND, act)
    await answers.once("bob", "1", COMMAND, act)
    assert act.times == 3


async def test_another_command_under_the_same_key_is_refused(answers: Answers) -> None:
    await answers.once("ann", "1", COMMAND, Act(b"1"))
    act = Act(b"2")
    with pytest.raises(CallRefused) as refused:
        await answers.once("ann", "1", digest("x.do", "ann", 2), act)
    assert refused.value.error.code == 409
    assert act.times == 0


async def test_what_died_half_way_is_done_again(answers: Answers) -> None:
    act = Act(StoreUnavailable("away"), b"1")
    with pytest.raises(StoreUnavailable):
        await answers.once("ann", "1", COMMAND, act)
    with pytest.raises(CallRefused):
        await answers.once("ann", "1", digest("x.do", "ann", 2), Act(b"2"))
    assert await answers.once("ann", "1", COMMAND, act) == b"1"
    assert await answers.once("ann", "1", COMMAND, act) == b"1"
    assert act.times == 2


async def test_what_was_refused_was_never_asked(answers: Answers) -> None:
    with pytest.raises(CallRefused):
        await answers.once("ann", "1", COMMAND, Act(denied()))
    assert await answers.once("ann", "1", digest("x.do", "ann", 2), Act(b"2")) == b"2"


async def test_answers_are_swept_when_their_time_is_over(
    parts: ChatParts, answers: Answers
) -> None:
    await answers.once("ann", "1", COMMAND, Act(b"1"))
    parts.clock.now_ms += 500
    await answers.once("ann", "2", COMMAND, Act(b"1"))
    assert await answers.sweep() == 0
    parts.clock.now_ms += 501
    assert await answers.sweep() == 1
    assert [
        row.client_id for row in await parts.store.get(ANSWERS, [("ann", "1"), ("ann", "2")])
    ] == ["2"]


def test_a_digest_keeps_its_parts_apart() -> None:
    assert digest("x", "ab", "c") != digest("x", "a", "bc")
    assert digest("x", "1") != digest("x", 1)
    assert digest("x", "a") == digest("x", "a")
    assert len(digest("x")) == 16
