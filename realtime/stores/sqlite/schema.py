"""The tables, the version of the schema, and how a database of ours is told from others.

`PRAGMA application_id` says that the file is ours, `PRAGMA user_version` which schema it has.
Both are fields of the file's header and change in the same transaction as the tables
(https://www.sqlite.org/pragma.html).
"""

import secrets
import sqlite3
import string
from collections.abc import Sequence
from typing import Final

from realtime.errors import StoreCorrupt, StoreTooNew

APPLICATION_ID: Final = 0x52544C47
"""ASCII "RTLG": the header of every database that this driver made."""

_EPOCH_LETTERS: Final = 10

# Measured with 200-byte entries in 100 channels, 64 a commit: an ordinary table with two unique
# indexes takes 30 us a row, a table clustered by (channel, offset) 52 to 57 us, because it dirties
# one page a channel instead of a few at the end; it is worse for large rows too. `data` is the last
# column, so that whoever looks only at the others never reads its overflow pages.
_FIRST: Final = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # blanked_to: what a truncate has taken; entries up to this offset count as stubs.
    """CREATE TABLE channels (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        blanked_to INTEGER NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        channel_id INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        sender TEXT NOT NULL,
        client_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        digest BLOB NOT NULL,
        at INTEGER NOT NULL,
        ref INTEGER NOT NULL,
        edited_at INTEGER NOT NULL DEFAULT 0,
        deleted_at INTEGER NOT NULL DEFAULT 0,
        stub INTEGER NOT NULL DEFAULT 0,
        info BLOB,
        tags BLOB,
        data BLOB NOT NULL
    )""",
    "CREATE UNIQUE INDEX entries_by_offset ON entries (channel_id, offset)",
    "CREATE UNIQUE INDEX entries_by_client_id ON entries (channel_id, sender, client_id)",
    # AUTOINCREMENT: a seq is never given twice, not even when the newest row has been swept.
    """CREATE TABLE revocations (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        user TEXT NOT NULL,
        jti TEXT NOT NULL,
        before INTEGER NOT NULL,
        at INTEGER NOT NULL,
        until INTEGER NOT NULL
    )""",
    "CREATE INDEX revocations_by_until ON revocations (until)",
    """CREATE TABLE claims (
        scope TEXT NOT NULL,
        key TEXT NOT NULL,
        digest BLOB NOT NULL,
        until INTEGER NOT NULL,
        PRIMARY KEY (scope, key)
    ) WITHOUT ROWID""",
    "CREATE INDEX claims_by_until ON claims (until)",
)

# What older rows take away is tokens. The whitelist is an array of MessagePack.
_ACTS: Final = (
    "ALTER TABLE revocations ADD COLUMN act TEXT NOT NULL DEFAULT 'tokens'",
    "ALTER TABLE revocations ADD COLUMN channel TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE revocations ADD COLUMN client TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE revocations ADD COLUMN whitelist BLOB",
    "ALTER TABLE revocations ADD COLUMN code INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE revocations ADD COLUMN reason TEXT NOT NULL DEFAULT ''",
)

# `changed` is the offset of the last event folded in, `summary_by` of the last one in the summary.
# The index holds nothing but what waits, so that to look for it costs nothing where nothing does.
_CHANGES: Final = (
    "ALTER TABLE entries ADD COLUMN n INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE entries ADD COLUMN counts INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE entries ADD COLUMN changed INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE entries ADD COLUMN pending INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE entries ADD COLUMN summary BLOB NOT NULL DEFAULT x''",
    "ALTER TABLE entries ADD COLUMN summary_by INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX entries_pending ON entries (channel_id, offset) WHERE pending = 1",
)

# Whom to tell of an entry, likewise: in order of time, whichever channels they are in.
_NOTIFICATIONS: Final = (
    "ALTER TABLE entries ADD COLUMN notify INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX entries_notifiable ON entries (at) WHERE notify = 1",
)

# What is published without an id has no digest, and a key that nobody gives again. In the index it
# would make another page be written with each message: half of what SQLite has to do for one.
_KEYS: Final = (
    "DROP INDEX entries_by_client_id",
    """CREATE UNIQUE INDEX entries_by_client_id ON entries (channel_id, sender, client_id)
        WHERE digest != x''""",
)

Migrations = Sequence[Sequence[str]]

MIGRATIONS: Final[Migrations] = (_FIRST, _ACTS, _CHANGES, _NOTIFICATIONS, _KEYS)
"""The statements that lead from version n to n + 1, at index n. Append; never change one."""


def identify(connection: sqlite3.Connection, path: str, *, known: int = len(MIGRATIONS)) -> int:
    """The version of the schema in the database, 0 if it is empty. Changes nothing.

    Raises StoreCorrupt if it belongs to another program, StoreTooNew above `known`, and
    sqlite3.Error if it cannot be read.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == 0 and version == 0 and tables == 0:
        return 0
    if application != APPLICATION_ID or version < 1:
        raise StoreCorrupt(f"database {path}: it was made by another program")
    if version > known:
        raise StoreTooNew(int(version), known)
    return int(version)


def upgrade(
    connection: sqlite3.Connection, found: int, migrations: Migrations = MIGRATIONS
) -> None:
    """Bring a database of version `found` to the newest, in one transaction; make its epoch."""
    if found == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    for statements in migrations[found:]:
        for statement in statements:
            connection.execute(statement)
    if found == 0:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        renew_epoch(connection)
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
    connection.execute("COMMIT")


def epoch(connection: sqlite3.Connection, path: str) -> str:
    """The epoch that the database was given. Raises StoreCorrupt if it has none."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    if row is None or not row[0]:
        raise StoreCorrupt(f"database {path}: its epoch is missing")
    return str(row[0])


def renew_epoch(connection: sqlite3.Connection) -> None:
    """Give the database a new random epoch, in the caller's transaction if there is one."""
    made = "".join(secrets.choice(string.ascii_letters) for _ in range(_EPOCH_LETTERS))
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('epoch', ?)", (made,))
