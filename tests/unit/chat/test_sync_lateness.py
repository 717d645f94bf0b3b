"""`chat.sync` tells of what was written long after what it is of."""

from realtime.chat.caller import Caller
from realtime.chat.calls.markers import Sync, Synced
from realtime.chat.channel_folds import ChannelFolds
from realtime.chat.overview import Overviews
from realtime.chat.sync import Syncing
from realtime.rows import CHANNELS
from realtime.stores.base import Write
from tests.support.chat import ManualClock, caller, chat_parts
from tests.support.inboxes import created, event

A = "room:a"
BOB: Caller = caller("bob")


async def test_a_member_is_told_of_a_channel_that_a_dead_node_has_brought_them_into() -> None:
    async with chat_parts() as parts:
        clock: ManualClock = parts.clock
        ChannelFolds(parts.around)
        sync = Syncing(parts.around, Overviews(parts.around)).operations["chat.sync"]
        await parts.around.ledger.write(created(A, {"ann": "owner"}, clock.now_ms))
        invite = {"act": "invite", "users": [{"user": "bob", "role": "member"}]}
        await parts.stage.append(event("member", "ann", A, clock.now_ms, data=invite))
        # The node dies here; another one that looks at the channel soon writes how far it is.
        seen = {"head": 2, "changed_at": clock.now_ms}
        await parts.store.write([Write(CHANNELS, (A,), set=seen)])
        clock.now_ms += 90_000
        before = await sync(BOB, Sync())
        assert isinstance(before, Synced)
        assert before.channels == []
        await parts.around.ledger.sweep()
        clock.now_ms += 1_000
        after = await sync(BOB, Sync(since=before.since))
        assert isinstance(after, Synced)
        assert [item.channel for item in after.channels] == [A]
