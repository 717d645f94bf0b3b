"""Telling a channel's row how far its log is hidden: what is unread begins there."""

from realtime.chat.floors import Floor, floor_of_page
from realtime.chat.ports import ChatStore
from realtime.model import Retention
from realtime.rows import CHANNELS, ChannelRow
from realtime.stores.base import Value, Write


async def hide(store: ChatStore, row: ChannelRow, retention: Retention, now_ms: int) -> Floor:
    """Look where the log begins by now, and raise what the row says; answers the place.

    A preview of what is hidden goes from the row: it would show again if more were kept one day.
    One read of one entry, and a write where there is news. Raises StoreError.
    """
    page = await store.read(row.channel, limit=1, retention=retention, now_ms=now_ms)
    # Where nothing is to be seen any more, everything up to the head is gone.
    floor = floor_of_page(page)
    news: dict[str, Value] = {}
    if row.kind != "feed" and floor.offset > row.hidden:
        news |= {"hidden": floor.offset, "hidden_n": floor.n}
    if row.last and row.last_offset <= floor.offset:
        news["last"] = b""
    if news:
        write = Write(
            CHANNELS,
            (row.channel,),
            set=news,
            highest={"changed_at": now_ms},
            equals={"hidden": row.hidden, "last": row.last},
        )
        await store.write([write])
    return floor
