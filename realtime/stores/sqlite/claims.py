"""The claims table: see base, `IdempotencyStore`."""

import sqlite3
from typing import Final

_SWEPT_MAX: Final = 100
"""Rows whose time has passed that one claim takes away, so that none takes long."""


def claim(
    connection: sqlite3.Connection,
    scope: str,
    key: str,
    digest: bytes,
    *,
    until_ms: int,
    now_ms: int,
) -> bytes | None:
    """Claim it, or answer the digest of who did; in the caller's transaction."""
    connection.execute(
        "DELETE FROM claims WHERE (scope, key) IN ("
        "SELECT scope, key FROM claims WHERE until <= ? LIMIT ?)",
        (now_ms, _SWEPT_MAX),
    )
    row = connection.execute(
        "SELECT digest FROM claims WHERE scope = ? AND key = ? AND until > ?",
        (scope, key, now_ms),
    ).fetchone()
    if row is not None:
        return bytes(row[0])
    connection.execute(
        "INSERT OR REPLACE INTO claims (scope, key, digest, until) VALUES (?, ?, ?, ?)",
        (scope, key, digest, until_ms),
    )
    return None
