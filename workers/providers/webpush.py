"""Web Push: to browsers, and to whatever speaks it like them (UnifiedPush)."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from yarl import URL

from workers.providers.aes128gcm import SubscriptionKeys, encrypt, subscription_keys
from workers.providers.base import (
    Delivered,
    Failed,
    Later,
    Notice,
    Outcome,
    ProviderName,
    Rejected,
    Target,
)
from workers.providers.endpoint_guard import EndpointGuard, EndpointRefused
from workers.providers.posting import Answer, Poster, Unanswered
from workers.providers.push_origins import PushOrigins
from workers.providers.vapid import Vapid
from workers.providers.webpush_answers import outcome_of
from workers.providers.webpush_payload import ids_of, text_of

CONCURRENCY_MAX: Final = 64
"""Requests at once, each on a connection of its own."""

TIMEOUT_S: Final = 10.0
"""For one notice, its name resolved and its connection opened included."""

ANSWER_MAX_BYTES: Final = 4_096
"""A word or two of an error are of interest, and nothing of a success."""

TTL_MAX_S: Final = 2_419_200
"""Four weeks: what the services keep a message for at most, and some refuse more."""

_WINDOWS: Final = ".notify.windows.com"
_ACCEPTED: Final = (200, 201, 202, 204)


class WebPushProvider:
    """Sends to the subscriptions of browsers. See `Provider`.

    `private_key` and `subject` as in `Vapid`; raises ValueError for them. `guard` says which
    endpoints may be posted to.
    """

    def __init__(
        self,
        *,
        private_key: str,
        subject: str,
        guard: EndpointGuard,
        concurrency: int = CONCURRENCY_MAX,
        timeout_s: float = TIMEOUT_S,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vapid = Vapid(private_key=private_key, subject=subject, wall=wall)
        self._guard = guard
        self._wall = wall
        self._origins = PushOrigins(monotonic)
        self._poster = Poster(
            concurrency=concurrency,
            timeout_s=timeout_s,
            answer_max_bytes=ANSWER_MAX_BYTES,
            connector=lambda: guard.connector(limit=concurrency),
        )

    def __repr__(self) -> str:
        return f"<WebPushProvider {self._vapid!r}>"

    @property
    def name(self) -> ProviderName:
        """See Provider."""
        return "webpush"

    async def run(self) -> None:
        """See Provider. There is nothing to do between sends."""
        await asyncio.Event().wait()

    async def send(self, target: Target, notice: Notice) -> Outcome:
        """See Provider.

        A "clear" is never sent, and counts as delivered: a browser makes a page pay for a push
        after which it shows nothing, with a notification of its own and in the end with the
        subscription. An app clears when it next synchronises.
        """
        if notice.act == "clear":
            return Delivered()
        try:
            url = self._guard.check(target.address)
        except EndpointRefused as error:
            # The list may be widened, and then the app registers what it has once more.
            return Rejected(error.why, parked=True)
        try:
            keys = subscription_keys(target.p256dh, target.auth)
        except ValueError as error:
            return Rejected(str(error))
        origin = str(url.origin()).lower()
        if rest_s := self._origins.rest_s(origin):
            why = "the push service is left alone for a while"
            return Later(why, rest_s, "device", asked=False)
        work = partial(self._send, url, origin, keys, target, notice)
        return await self._poster.within(work, scope="device")

    async def close(self) -> None:
        """See Provider."""
        await self._poster.close()

    async def _send(
        self, url: URL, origin: str, keys: SubscriptionKeys, target: Target, notice: Notice
    ) -> Outcome:
        text, ids = text_of(notice), ids_of(notice)
        if text is None or ids is None:
            return Failed("the data of the notice is too long")
        answer = await self._post(url, origin, keys, text, notice)
        if answer.status == 413 and len(ids) < len(text):
            # A service with a lower limit: better the app fetches the text than nothing at all.
            answer = await self._post(url, origin, keys, ids, notice)
        if answer.status in _ACCEPTED:
            self._origins.accepted(origin)
        is_refused = answer.status in (401, 403)
        fault = self._origins.fault(origin, target.address) if is_refused else "unknown"
        return outcome_of(answer, fault=fault, now=self._wall())

    async def _post(
        self, url: URL, origin: str, keys: SubscriptionKeys, text: bytes, notice: Notice
    ) -> Answer:
        headers = self._headers(url, origin, notice)
        try:
            answer = await self._poster.post(url, headers=headers, body=encrypt(text, keys))
        except (Unanswered, asyncio.CancelledError):
            # Cancelled is what becomes of it when its time is over.
            self._origins.failed(origin)
            raise
        if answer.status >= 500:
            self._origins.failed(origin)
        else:
            self._origins.answered(origin)
        return answer

    def _headers(self, url: URL, origin: str, notice: Notice) -> dict[str, str]:
        ttl_s = max(0, min(int(notice.expires - self._wall()), TTL_MAX_S))
        headers = {
            "Authorization": self._vapid.authorization(origin),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(ttl_s),
            "Urgency": "high" if notice.urgent else "normal",
            "Topic": notice.collapse,
        }
        if (url.raw_host or "").lower().endswith(_WINDOWS):
            # Windows answers 400 where this and TTL contradict each other; unsaid is "no-cache".
            headers["X-WNS-Cache-Policy"] = "cache" if ttl_s else "no-cache"
        return headers
