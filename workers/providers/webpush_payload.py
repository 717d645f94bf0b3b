"""What a browser's service worker gets to read, before it is encrypted: pure."""

from typing import Any, Final

import msgspec

from workers.providers.aes128gcm import TEXT_MAX_BYTES
from workers.providers.base import Notice
from workers.truncation import fit

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def text_of(notice: Notice) -> bytes | None:
    """JSON of `act`, `id`, `collapse`, `data` and, where they are known, `badge`, `title`, `body`.

    At most `TEXT_MAX_BYTES`: the body is cut, then the title. None where the app's data alone is
    too much.
    """
    ids = _ids(notice)

    def whole(title: str, body: str) -> bytes:
        return _encode({**ids, "title": title, "body": body})

    if not notice.title and not notice.body:
        return ids_of(notice)
    title, body = fit(notice.title, notice.body, lambda *both: len(whole(*both)), TEXT_MAX_BYTES)
    return _bounded(whole(title, body) if title or body else _encode(ids))


def ids_of(notice: Notice) -> bytes | None:
    """The same without title and body: an app fetches them, or says that something is new."""
    return _bounded(_encode(_ids(notice)))


def _ids(notice: Notice) -> dict[str, Any]:
    ids: dict[str, Any] = {
        "act": notice.act,
        "id": notice.id,
        "collapse": notice.collapse,
        "data": dict(notice.data),
    }
    if notice.badge >= 0:
        ids["badge"] = notice.badge
    return ids


def _bounded(text: bytes) -> bytes | None:
    return text if len(text) <= TEXT_MAX_BYTES else None
