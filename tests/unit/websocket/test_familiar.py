"""A familiar head gets the verdict that it would have got in full."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from realtime.websocket import Accept, FamiliarHeads, check, parse_head
from realtime.websocket.familiar import HEADS_MAX
from realtime.websocket.head import RequestHead
from tests.unit.websocket.browser_head import browser_head


def judged(head: bytes) -> Accept | None:
    """The verdict in full, None for a refusal."""
    parsed = parse_head(head)
    verdict = check(parsed, ("*",)) if isinstance(parsed, RequestHead) else None
    return verdict if isinstance(verdict, Accept) else None


def with_key(key: str) -> bytes:
    """A browser's head with this key."""
    return browser_head(("Sec-WebSocket-Key", key), without=("sec-websocket-key",))


def learned(head: bytes) -> FamiliarHeads:
    """A memory that has seen this head accepted."""
    heads = FamiliarHeads()
    accept = judged(head)
    assert accept is not None
    heads.learn(head, accept)
    return heads


KNOWN = with_key(base64.b64encode(bytes(16)).decode())


def test_a_head_is_familiar_only_after_it_was_accepted() -> None:
    assert FamiliarHeads().find(KNOWN) is None
    assert learned(KNOWN).find(KNOWN) == judged(KNOWN)


@given(raw=st.binary(min_size=16, max_size=16))
def test_another_key_gets_the_same_verdict_as_in_full(raw: bytes) -> None:
    head = with_key(base64.b64encode(raw).decode())
    assert learned(KNOWN).find(head) == judged(head)


@given(st.data())
def test_a_damaged_head_is_familiar_only_if_it_is_still_good(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(KNOWN) - 1))
    byte = data.draw(st.integers(0, 255))
    head = KNOWN[:at] + bytes((byte,)) + KNOWN[at + 1 :]
    found = learned(KNOWN).find(head)
    assert found is None or found == judged(head)


def test_a_key_that_is_not_sixteen_bytes_is_not_familiar() -> None:
    for key in ("A" * 24, "A" * 22 + "=", "A" * 23 + "=", "\xff" * 24):
        assert learned(KNOWN).find(KNOWN.replace(b"A" * 22 + b"==", key.encode("latin-1"))) is None


def test_a_head_without_a_key_is_not_familiar() -> None:
    assert learned(KNOWN).find(browser_head(without=("sec-websocket-key",))) is None
    assert learned(KNOWN).find(b"") is None


def test_the_memory_is_bounded() -> None:
    heads = FamiliarHeads()
    for number in range(HEADS_MAX + 1):
        head = browser_head(("X-Number", str(number)))
        accept = judged(head)
        assert accept is not None
        heads.learn(head, accept)
        assert 1 <= len(heads) <= HEADS_MAX
    long = browser_head(("Cookie", "x" * 4000))
    accept = judged(long)
    assert accept is not None
    heads.learn(long, accept)
    assert heads.find(long) is None
