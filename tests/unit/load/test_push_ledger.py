"""The ledger of a push service: what came, for whom, how late, and what should not have come."""

import pytest

from load.push_ledger import LARGE, PROBE, Ledger, Notification, address_of, text_of
from load.recording import Recorder

RUN, CONNECTED, AWAY = "ab12", 4, 7
DUE_NS = 1_000_000_000


def notification(play: int, room: int = 3, *, user: int = AWAY) -> Notification:
    """One of a message that was to leave at DUE_NS."""
    return Notification(address_of(RUN, user), f"Alice: {text_of(DUE_NS, play, room)}")


@pytest.fixture
def recorder() -> Recorder:
    """Of play 2, after a warm-up."""
    return Recorder("small rooms", now=0.0)


@pytest.fixture
def ledger(recorder: Recorder) -> Ledger:
    """In play 2."""
    found = Ledger(RUN, CONNECTED)
    found.begin(1, Recorder("warm-up", now=0.0), measured=False)
    found.begin(2, recorder)
    return found


def test_the_wait_is_counted_from_when_the_message_was_to_leave(
    ledger: Ledger, recorder: Recorder
) -> None:
    ledger.take(notification(2), DUE_NS + 5_000_000)
    ledger.take(notification(2, LARGE), DUE_NS + 7_000_000)
    assert recorder.counts == {"notified": 2}
    assert (recorder.waits("told"), recorder.waits("crowd")) == ([5_000], [7_000])
    assert ledger.crowd_ns == 7_000_000


def test_what_comes_again_is_noticed_also_in_the_next_play(
    ledger: Ledger, recorder: Recorder
) -> None:
    ledger.take(notification(2), DUE_NS)
    ledger.take(notification(2), DUE_NS)
    assert recorder.counts == {"notified": 1, "twice": 1}
    afterwards = Recorder("silence", now=0.0)
    ledger.begin(3, afterwards)
    ledger.take(notification(2), DUE_NS)
    assert afterwards.counts == {"twice": 1}


def test_one_message_tells_many_users_once_each(ledger: Ledger, recorder: Recorder) -> None:
    for user in range(CONNECTED, 10):
        ledger.take(notification(2, user=user), DUE_NS)
    assert recorder.counts == {"notified": 10 - CONNECTED}


def test_nobody_who_is_connected_is_to_be_told(ledger: Ledger, recorder: Recorder) -> None:
    ledger.take(notification(2, user=CONNECTED - 1), DUE_NS)
    assert recorder.counts == {"uncalled": 1}


def test_what_comes_in_a_later_play_is_late_unless_it_is_of_a_warm_up(
    ledger: Ledger, recorder: Recorder
) -> None:
    ledger.take(notification(1), DUE_NS)
    assert not recorder.counts
    afterwards = Recorder("silence", now=0.0)
    ledger.begin(3, afterwards)
    ledger.take(notification(2), DUE_NS)
    assert afterwards.counts == {"late": 1}
    assert not afterwards.waits("told")


def test_what_another_process_sent_a_bit_early_waits_for_its_play(ledger: Ledger) -> None:
    ledger.take(notification(3), DUE_NS + 1_000)
    ledger.take(notification(4), DUE_NS + 1_000)
    nxt = Recorder("beside", now=0.0)
    ledger.begin(3, nxt)
    assert nxt.counts == {"notified": 1}
    assert nxt.waits("told") == [1]


def test_the_probe_is_no_part_of_any_play(ledger: Ledger, recorder: Recorder) -> None:
    assert not ledger.probed
    ledger.take(notification(PROBE), DUE_NS)
    assert ledger.probed
    assert not recorder.counts


def test_other_runs_and_other_apps_are_none_of_its_business(
    ledger: Ledger, recorder: Recorder
) -> None:
    text = text_of(DUE_NS, 2, 3)
    for address in (address_of("cd34", AWAY), "fRk3:APA91bH", ""):
        ledger.take(Notification(address, text), DUE_NS)
    assert not recorder.counts


def test_without_the_text_nobody_knows_what_was_told(ledger: Ledger, recorder: Recorder) -> None:
    ledger.take(Notification(address_of(RUN, AWAY), "New message"), DUE_NS)
    ledger.take(Notification(address_of(RUN, AWAY), "", clears=True), DUE_NS)
    assert recorder.counts == {"textless": 1, "cleared": 1}
