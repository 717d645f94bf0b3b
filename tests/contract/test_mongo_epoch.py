"""The epoch of a MongoDB store: made once, kept, and changed by whoever brings a backup back."""

from contextlib import AsyncExitStack

from realtime.stores.mongo import MongoStore
from tests.support.log_entries import new_entry, shown


async def test_init_keeps_the_epoch_unless_a_new_one_is_asked_for(mongo_url: str) -> None:
    async with AsyncExitStack() as stores:
        store, other = MongoStore(mongo_url), MongoStore(mongo_url)
        stores.push_async_callback(store.close)
        stores.push_async_callback(other.close)
        await store.init()
        await store.open()
        first = store.epoch
        await store.append([new_entry("a", "1")])
        await other.init()
        assert await store.check_epoch() == first
        await other.init(new_epoch=True)
        renewed = await store.check_epoch()
        assert renewed != first
        assert renewed.isascii()
        assert renewed.isalpha()
        await other.open()
        assert other.epoch == renewed
        assert len(await shown(other, "a")) == 1
