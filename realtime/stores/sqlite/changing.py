"""Changing entries after they were written, in the caller's transaction: see base, `ChangeStore`.

No reader sees an entry half changed, and what was there before is overwritten, see `scrubbing`.
"""

import functools
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from realtime.model import Change
from realtime.stores.base.folding import BLANK, KEPT_TAGS
from realtime.stores.sqlite.fetching import SHAPES, offsets_text
from realtime.stores.sqlite.packing import decode_tags, encode

# A truncated entry is as good as a stub, whether a sweep has carried that out yet or not.
_ONE: Final = """
    channel_id = (SELECT id FROM channels WHERE name = :channel AND blanked_to < :offset)
    AND offset = :offset AND stub = 0
"""

# The last condition is `Change.applies`.
_CHANGE: Final = f"""
    UPDATE entries SET data = :data, tags = :tags, changed = :by,
        edited_at = :edited_at, deleted_at = :deleted_at, summary = iif(:deleted_at, x'', summary)
    WHERE {_ONE} AND iif(:deleted_at,
        deleted_at = 0 OR :by < changed,
        deleted_at = 0 AND :by > changed
    )
"""  # noqa: S608 - made of this module's constants only

_REWRITE: Final = f"""
    UPDATE entries SET data = :data, tags = :tags
    WHERE {_ONE} AND deleted_at = 0 AND changed = :changed
"""  # noqa: S608 - made of this module's constants only

_SUMMARISE: Final = f"""
    UPDATE entries SET summary = :summary, summary_by = :by
    WHERE {_ONE} AND deleted_at = 0 AND summary_by <= :by
"""  # noqa: S608 - made of this module's constants only

_NAMED: Final = """
    channel_id = (SELECT id FROM channels WHERE name = :channel)
    AND offset IN (SELECT value FROM json_each(:offsets))
"""

_SELECT_TAGS: Final = f"""
    SELECT json_group_array(json_array(id, hex(tags))) FROM entries
    WHERE {_NAMED} AND tags IS NOT NULL
"""  # noqa: S608 - made of this module's constants only

_BLANK: Final = f"""
    UPDATE entries SET data = :blank WHERE {_NAMED} AND stub = 0 AND data <> :blank
"""  # noqa: S608 - made of this module's constants only

# A key that nobody can guess, so that no retry finds it and no sender has it already.
_DISOWN: Final = f"""
    UPDATE entries SET sender = '', client_id = 'disowned:' || hex(randomblob(12)), digest = x'',
        info = NULL, summary = x'', notify = 0, deleted_at = iif(deleted_at, deleted_at, at)
    WHERE {_NAMED} AND NOT (sender = '' AND client_id GLOB 'disowned:*')
"""  # noqa: S608 - made of this module's constants only

_SETTLE: Final = f"""
    UPDATE entries SET pending = 0 WHERE {_NAMED} AND pending = 1
"""  # noqa: S608 - made of this module's constants only

_UNOWNED_TAGS: Final = tuple(tag for tag in KEPT_TAGS if tag != "client_id")
"""What stays of the tags of an entry that is nobody's: `client_id` is a name somebody gave it."""

_decode_ids_and_tags = msgspec.json.Decoder(list[tuple[int, str]]).decode


def change(connection: sqlite3.Connection, changes: Sequence[Change]) -> Sequence[bool]:
    """See base."""
    return [_changed(connection, each) for each in changes]


def _changed(connection: sqlite3.Connection, each: Change) -> bool:
    values = {
        "channel": each.channel,
        "offset": each.offset,
        "by": each.by,
        "data": each.data,
        "tags": None if each.tags is None else encode(each.tags),
        "edited_at": each.edited_at,
        "deleted_at": each.deleted_at,
    }
    return connection.execute(_CHANGE, values).rowcount > 0


def rewrite(
    connection: sqlite3.Connection,
    channel: str,
    offset: int,
    data: bytes,
    tags: dict[str, str] | None,
    changed: int,
) -> bool:
    """See base."""
    values = {
        "channel": channel,
        "offset": offset,
        "data": data,
        "tags": None if tags is None else encode(tags),
        "changed": changed,
    }
    return connection.execute(_REWRITE, values).rowcount > 0


def summarise(
    connection: sqlite3.Connection, channel: str, offset: int, summary: bytes, *, by: int
) -> bool:
    """See base."""
    values = {"channel": channel, "offset": offset, "summary": summary, "by": by}
    return connection.execute(_SUMMARISE, values).rowcount > 0


def blank(connection: sqlite3.Connection, channel: str, offsets: Collection[int]) -> None:
    """See base."""
    _blank(connection, channel, offsets, KEPT_TAGS)


def disown(connection: sqlite3.Connection, channel: str, offsets: Collection[int]) -> None:
    """See base."""
    _blank(connection, channel, offsets, _UNOWNED_TAGS)
    connection.execute(_DISOWN, {"channel": channel, "offsets": offsets_text(offsets)})


def settle(connection: sqlite3.Connection, channel: str, offsets: Collection[int]) -> None:
    """See base."""
    connection.execute(_SETTLE, {"channel": channel, "offsets": offsets_text(offsets)})


def notified(connection: sqlite3.Connection, marks: Mapping[str, Collection[int]]) -> None:
    """See base. One statement for all channels."""
    if not marks:
        return
    values: list[Any] = [
        value for channel, offsets in marks.items() for value in (channel, offsets_text(offsets))
    ]
    shape = next(shape for shape in SHAPES if shape >= len(marks))
    values += [None] * ((shape - len(marks)) * 2)
    connection.execute(_notified(shape), values)


@functools.cache
def _notified(channels: int) -> str:
    return f"""
        WITH wanted (name, offsets) AS (VALUES {", ".join(["(?, ?)"] * channels)})
        UPDATE entries SET notify = 0 WHERE id IN (
            SELECT e.id FROM wanted w CROSS JOIN channels c ON c.name = w.name
            CROSS JOIN json_each(w.offsets) o
            CROSS JOIN entries e ON e.channel_id = c.id AND e.offset = o.value AND e.notify = 1
        )
    """  # noqa: S608 - the only thing put in is a number of question marks


def _blank(
    connection: sqlite3.Connection, channel: str, offsets: Collection[int], kept: Collection[str]
) -> None:
    named = {"channel": channel, "offsets": offsets_text(offsets)}
    (found,) = connection.execute(_SELECT_TAGS, named).fetchone()
    for id, packed in _decode_ids_and_tags(found):
        tags = decode_tags(bytes.fromhex(packed))
        left = {tag: text for tag, text in tags.items() if tag in kept}
        if left != tags:
            connection.execute(
                "UPDATE entries SET tags = ? WHERE id = ?", (encode(left) if left else None, id)
            )
    connection.execute(_BLANK, {**named, "blank": BLANK})
