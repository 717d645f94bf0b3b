"""The revocations table: see base, `RevocationStore`."""

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from realtime.model import Revocation

logger = logging.getLogger(__name__)

_SWEPT_MAX: Final = 100
"""Rows whose time has passed that one insert takes away, so that none takes long."""

_encode_ids: Final = msgspec.msgpack.Encoder().encode
_decode_ids: Final = msgspec.msgpack.Decoder(tuple[str, ...]).decode


def insert(connection: sqlite3.Connection, revocation: Revocation) -> int:
    """Store it and answer its seq; in the caller's transaction."""
    connection.execute(
        "DELETE FROM revocations WHERE seq IN ("
        "SELECT seq FROM revocations WHERE until BETWEEN 1 AND ? LIMIT ?)",
        (revocation.at, _SWEPT_MAX),
    )
    cursor = connection.execute(
        "INSERT INTO revocations"
        " (user, jti, before, at, until, act, channel, client, whitelist, code, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            revocation.user,
            revocation.jti,
            revocation.before,
            revocation.at,
            revocation.until,
            revocation.act,
            revocation.channel,
            revocation.client,
            _encode_ids(revocation.whitelist) if revocation.whitelist else None,
            revocation.code,
            revocation.reason,
        ),
    )
    assert cursor.lastrowid is not None, "an insert into a rowid table has one"
    return cursor.lastrowid


def select(
    connection: sqlite3.Connection, *, after: int, limit: int, now_ms: int
) -> Sequence[Revocation]:
    """Those still in force with seq > after, in order; "unknown" where this version cannot read
    one."""
    rows = connection.execute(
        "SELECT user, jti, before, at, until, seq, act, channel, client, whitelist, code, reason"
        " FROM revocations WHERE seq > ? AND (until = 0 OR until > ?) ORDER BY seq LIMIT ?",
        (after, now_ms, max(limit, 0)),
    )
    names = [column[0] for column in rows.description]  # the fields are called as the columns are
    return [_revocation(dict(zip(names, row, strict=True))) for row in rows]


def _revocation(row: dict[str, Any]) -> Revocation:
    whitelist = row["whitelist"]
    try:
        row["whitelist"] = _decode_ids(whitelist) if whitelist else ()
        return msgspec.convert(row, Revocation)
    except (msgspec.MsgspecError, TypeError):
        # The error's own words may quote what it says.
        seq = row["seq"]
        logger.warning("revocation %s is of a later version: it says nothing to this one", seq)
        return Revocation(seq=seq, act="unknown")
