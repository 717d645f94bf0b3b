"""Telling a channel's row how far its log is hidden, so that what is unread begins there."""

from realtime.chat.floors import Floor, floor_of_page
from realtime.chat.ports import ChatStore
from realtime.model import Retention
from realtime.rows import CHANNELS, ChannelRow
from realtime.stores.base import Write


async def hide(store: ChatStore, row: ChannelRow, retention: Retention, now_ms: int) -> Floor:
    """Look where the log begins by now, and raise what the row says; answers the place.

    One read of one entry, and a write where that is news. Raises StoreError.
    """
    page = await store.read(row.channel, limit=1, retention=retention, now_ms=now_ms)
    # Where nothing is to be seen any more, everything up to the head is gone.
    floor = floor_of_page(page)
    if row.kind != "feed" and floor.offset > row.hidden:
        write = Write(
            CHANNELS,
            (row.channel,),
            set={"hidden": floor.offset, "hidden_n": floor.n},
            highest={"changed_at": now_ms},
            equals={"hidden": row.hidden},
        )
        await store.write([write])
    return floor
