"""The contract of a store. Drivers add nothing to it but "see base".

**The store is the sequencer.** An entry is inserted at `head + 1` of its channel, under a unique
key on (channel, offset). An offset exists only if its entry did: there is no counter to lose and
no hole. (channel, sender, client_id) is unique too among entries with a digest, so a retry is the
same entry; what comes without one is no retry.

**An answer means durable.** When `append` answers, every entry it calls appended survives the
death of the process and of the machine. When it raises, nothing it was given was acknowledged and
each entry is absent or there once; the caller may make the same call again, but for entries without
a digest, which may then be there twice.

**Reads see only committed entries**, and the entries and the head of a `Page` belong together: no
entry is above the head, and no visible entry at or below it is left out of what was asked for,
unless retention or a truncate took it meanwhile. A driver without snapshots reads the head first,
then the entries up to it.

**Retention never moves the head.** A channel's highest entry may become a stub, never disappear,
and no entry younger than `DEDUPE_TTL_MS` is forgotten altogether, so that a retry is recognised.

All methods may be called concurrently from the loop that called `open`. Cancelling a call does not
undo what it began. Every call is bounded by the driver's own timeouts, which its class names,
together with what they do not reach; one that runs out is StoreUnavailable. Every method raises
`realtime.errors.StoreError` or one of its kinds and nothing else on purpose. Channels, users and
ids are opaque text: a driver binds them as values and never builds a statement, pattern or
operator from them.
"""

from realtime.stores.base.changes import FETCHED_MAX, ChangeStore
from realtime.stores.base.copying import (
    CopySource,
    CopyTarget,
)
from realtime.stores.base.log import (
    DEDUPE_TTL_MS,
    MISSED_CHANNELS_MAX,
    Appended,
    Conflict,
    Grouping,
    HeadHints,
    LogStore,
    Page,
    Swept,
)
from realtime.stores.base.nodes import (
    PRESENCE_CHANGES_MAX,
    NodeInfo,
    NodeLease,
    NodeStore,
    PresenceEntry,
    PresenceStore,
)
from realtime.stores.base.personal import CHANNELS_LOOKED_AT_MAX, Found, PersonalStore
from realtime.stores.base.records import (
    BackupStore,
    IdempotencyStore,
    RevocationStore,
)
from realtime.stores.base.tables import (
    SPANS_MAX,
    WRITES_MAX,
    Key,
    Removal,
    Row,
    Span,
    Table,
    TableStore,
    Value,
    Write,
)

__all__ = [
    "CHANNELS_LOOKED_AT_MAX",
    "DEDUPE_TTL_MS",
    "FETCHED_MAX",
    "MISSED_CHANNELS_MAX",
    "PRESENCE_CHANGES_MAX",
    "SPANS_MAX",
    "WRITES_MAX",
    "Appended",
    "BackupStore",
    "ChangeStore",
    "Conflict",
    "CopySource",
    "CopyTarget",
    "Found",
    "Grouping",
    "HeadHints",
    "IdempotencyStore",
    "Key",
    "LogStore",
    "NodeInfo",
    "NodeLease",
    "NodeStore",
    "Page",
    "PersonalStore",
    "PresenceEntry",
    "PresenceStore",
    "Removal",
    "RevocationStore",
    "Row",
    "Span",
    "Swept",
    "Table",
    "TableStore",
    "Value",
    "Write",
]
