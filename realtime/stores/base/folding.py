"""What edits and deletes make of the entries before them. Pure; every driver's reads go through it.

The event is in the log before the message is changed (design 3), so a reader may find the one
without the other. It then sees what will be, not what was: the same function says so here, and to
whoever writes it down.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from realtime.model import Change, Entry

BLANK: Final = b"{}"
"""What is left of data that was taken back: JSON, and an object, so that typed clients read it."""

KEPT_TAGS: Final = ("kind", "ref", "client_id", "also")
"""Tags that say what an entry is, not what it says: no edit changes them, no delete takes them."""


def change_of(event: Entry, target: Entry) -> Change | None:
    """What an event makes of the message it refers to; None where it changes no message."""
    if event.kind not in ("edit", "delete") or event.stub:
        return None
    deletes = event.kind == "delete"
    kept = _kept(target.tags)
    if not deletes:
        kept |= {key: value for key, value in (event.tags or {}).items() if key not in KEPT_TAGS}
    kept["deleted_at" if deletes else "edited_at"] = str(event.at)
    return Change(
        event.channel,
        event.ref,
        event.offset,
        BLANK if deletes else event.data,
        kept,
        edited_at=0 if deletes else event.at,
        deleted_at=event.at if deletes else 0,
    )


def changed(entry: Entry, change: Change) -> Entry:
    """The entry after the change; the same object where the change does not apply (`Change`)."""
    if entry.stub or not change.applies(entry.changed, entry.deleted_at):
        return entry
    deleted = change.deleted_at != 0
    return msgspec.structs.replace(
        entry,
        data=change.data,
        tags=change.tags,
        changed=change.by,
        edited_at=change.edited_at,
        deleted_at=change.deleted_at,
        summary=b"" if deleted else entry.summary,
    )


def blanked(entry: Entry) -> Entry:
    """The entry without its text, as `LogStore.blank` leaves it."""
    return msgspec.structs.replace(entry, data=BLANK, tags=_kept(entry.tags) or None)


def fold(
    entries: Sequence[Entry], pending: Sequence[Entry], *, gone: Collection[tuple[str, int]] = ()
) -> Sequence[Entry]:
    """The entries as they are once the pending events of their channels are carried out.

    `pending` are in order of channel and offset. Edits of a message that is deleted, by what is
    pending or before (`gone`: channels and offsets of such messages), have no text any more.
    """
    events = [event for event in pending if event.kind in ("edit", "delete")]
    if not events:
        return entries
    by_target: dict[tuple[str, int], list[Entry]] = {}
    for event in events:
        by_target.setdefault((event.channel, event.ref), []).append(event)
    deleted = {
        target
        for target, found in by_target.items()
        if target in gone or any(event.kind == "delete" for event in found)
    }
    folded = []
    for entry in entries:
        for event in by_target.get((entry.channel, entry.offset), ()):
            change = change_of(event, entry)
            if change is not None:
                entry = changed(entry, change)
        if entry.kind == "edit" and not entry.stub and (entry.channel, entry.ref) in deleted:
            entry = blanked(entry)
        folded.append(entry)
    return folded


def _kept(tags: dict[str, str] | None) -> dict[str, str]:
    return {key: value for key, value in (tags or {}).items() if key in KEPT_TAGS}
