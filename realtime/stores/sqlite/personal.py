"""The part of the store that finds what no row leads to: see base, `PersonalStore`."""

import sqlite3
from typing import Final

from realtime.model import forgotten_name
from realtime.stores.base import CHANNELS_LOOKED_AT_MAX, Found
from realtime.stores.sqlite.opened import OpenDatabase

_SELECT: Final = """
    SELECT looked.name, EXISTS (
        SELECT 1 FROM entries e WHERE e.channel_id = looked.id AND e.sender = :sender
    ) FROM (
        SELECT id, name FROM channels WHERE name > :after ORDER BY name LIMIT :limit
    ) looked ORDER BY looked.name
"""

_FORGET: Final = """
    UPDATE revocations SET user = :name, client = '', whitelist = NULL, reason = ''
    WHERE user = :user
"""


class PersonalDataOnSQLite(OpenDatabase):
    """PersonalStore: see base."""

    async def channels_with(self, sender: str, *, after: str, limit: int) -> Found:
        """See base."""
        if not 0 < limit <= CHANNELS_LOOKED_AT_MAX:
            raise ValueError(f"limit: {limit}, 1 to {CHANNELS_LOOKED_AT_MAX} expected")
        return await self._read(lambda c: _channels_with(c, sender, after, limit))

    async def forget_user(self, user: str) -> int:
        """See base."""
        values = {"user": user, "name": forgotten_name(user)}
        return await self._write(lambda c: c.execute(_FORGET, values).rowcount)


def _channels_with(connection: sqlite3.Connection, sender: str, after: str, limit: int) -> Found:
    values = {"sender": sender, "after": after, "limit": limit}
    rows = connection.execute(_SELECT, values).fetchall()
    return Found(
        [name for name, found in rows if found], rows[-1][0] if len(rows) == limit else None
    )
