"""Finding and forgetting somebody where no row leads: see `realtime.stores.base.personal`."""

from typing import Protocol

import pytest

from realtime.model import NewEntry, Revocation, forgotten_name
from realtime.stores.base import PersonalStore
from tests.support.log_entries import Store


class Personal(Store, PersonalStore, Protocol):
    """Both."""


pytestmark = pytest.mark.usefixtures("store")


def by(sender: str, channel: str, client_id: str = "1") -> NewEntry:
    """An entry of this sender."""
    return NewEntry(channel, sender, client_id, b"{}", 1_000)


async def test_channels_with_entries_of_a_sender_are_found_slice_by_slice(store: Personal) -> None:
    await store.append([by("u:ada", f"c{number}") for number in (1, 3, 5)])
    await store.append([by("u:bob", f"c{number}") for number in (1, 2, 4, 6)])
    found: list[str] = []
    after: str | None = ""
    slices = 0
    while after is not None:
        answer = await store.channels_with("u:ada", after=after, limit=2)
        found += answer.channels
        after = answer.next_channel
        slices += 1
    assert found == ["c1", "c3", "c5"]
    assert slices <= 4
    assert not (await store.channels_with("u:ad", after="", limit=500)).channels
    assert not (await store.channels_with("u:ada", after="c5", limit=500)).channels


@pytest.mark.parametrize("limit", [0, -1, 501])
async def test_a_slice_has_bounds(store: Personal, limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        await store.channels_with("u:ada", after="", limit=limit)


async def test_a_user_is_forgotten_in_the_revocations_and_what_was_taken_stays_taken(
    store: Personal,
) -> None:
    for user in ("ada", "bob", "ada"):
        row = Revocation(user=user, act="ban", channel="c", at=1, reason=f"because of {user}")
        await store.revoke(row)
    assert await store.forget_user("ada") == 2
    assert await store.forget_user("ada") == 0
    rows = await store.revocations(after=0, limit=10, now_ms=0)
    assert [row.seq for row in rows] == [1, 2, 3]
    assert [(row.user, row.act, row.channel) for row in rows] == [
        (forgotten_name("ada"), "ban", "c"),
        ("bob", "ban", "c"),
        (forgotten_name("ada"), "ban", "c"),
    ]
    assert [row.reason for row in rows] == ["", "because of bob", ""]
    assert "ada" not in forgotten_name("ada")
