"""What is shown of a channel's last message where there is no room for all of it. Pure.

A preview has the app's own data where that is small, else its `text` field, cut, else only who and
when. It is kept beside the log (`ChannelRow.last`), so whatever changes or takes back the message
has to change it too: see `realtime.chat.heads`.
"""

from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from realtime.chat.views import user_of
from realtime.model import Entry

DATA_MAX_BYTES: Final = 512
"""The longest data that a preview has whole."""

TEXT_MAX: Final = 160
"""Characters of the text of longer data."""

SHORT_TEXT_MAX: Final = 40
"""Characters of the text in a short preview."""

ELLIPSIS: Final = "…"


class Preview(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message, in short. `data` is all of it, or else `text` is its beginning.

    `user` sent it, `at` (ms). A message that was deleted has nothing but `deleted`. Where only
    `offset` is there, the message is to be looked up.
    """

    offset: int
    user: str = ""
    at: int = 0
    data: Raw | UnsetType = UNSET
    text: str = ""
    edited: bool = False
    deleted: bool = False


class _Texted(msgspec.Struct):
    """Data of an app that calls its text so."""

    text: str = ""


_texted: Final = msgspec.json.Decoder(_Texted)
_decoder: Final = msgspec.json.Decoder(Preview)
_encode: Final = msgspec.json.Encoder().encode


def preview_of(entry: Entry) -> Preview:
    """The preview of a message as it is now."""
    if entry.deleted_at or entry.stub:
        return Preview(entry.offset, user_of(entry), entry.at, deleted=True)
    data, text = _content(entry.data)
    return Preview(entry.offset, user_of(entry), entry.at, data, text, entry.edited_at != 0)


def edited(preview: Preview, event: Entry) -> Preview:
    """The preview after an edit or a delete of its message."""
    if event.kind == "delete" or preview.deleted:
        return Preview(preview.offset, preview.user, preview.at, deleted=True)
    data, text = _content(event.data)
    return Preview(preview.offset, preview.user, preview.at, data, text, edited=True)


def short(preview: Preview) -> Preview:
    """The preview with little text and no data."""
    text = preview.text if preview.data is UNSET else _text(bytes(preview.data))
    return Preview(
        preview.offset,
        preview.user,
        preview.at,
        text=_cut(text, SHORT_TEXT_MAX),
        edited=preview.edited,
        deleted=preview.deleted,
    )


def written(preview: Preview) -> bytes:
    """As it is kept in a row."""
    return _encode(preview)


def read(last: bytes) -> Preview | None:
    """What a row has; None where that is nothing, or a later version's."""
    if not last:
        return None
    try:
        return _decoder.decode(last)
    except msgspec.DecodeError:
        return None


def _content(data: bytes) -> tuple[Raw | UnsetType, str]:
    if len(data) <= DATA_MAX_BYTES:
        return Raw(data), ""
    return UNSET, _cut(_text(data), TEXT_MAX)


def _text(data: bytes) -> str:
    try:
        return _texted.decode(data).text
    except (msgspec.DecodeError, RecursionError):
        return ""  # not an object, or one whose text is something else


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + ELLIPSIS
