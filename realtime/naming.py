"""Whom an entry names: who made it, and whom it mentions. Pure."""

from typing import Final

import msgspec

from realtime.model import Entry

_USER: Final = "u:"
_decode_mentions: Final = msgspec.json.Decoder(tuple[str, ...]).decode


def user_of(entry: Entry) -> str:
    """The user who made an entry; "" for a guest, an API key, and who has been erased."""
    return entry.sender.removeprefix(_USER) if entry.sender.startswith(_USER) else ""


def mentions_of(entry: Entry) -> tuple[str, ...]:
    """Whom a message mentions now. Nobody, where what its tag says is not ours."""
    text = (entry.tags or {}).get("mentions")
    if not text or entry.deleted_at or entry.stub:
        return ()
    try:
        return _decode_mentions(text)
    except msgspec.DecodeError:
        return ()
