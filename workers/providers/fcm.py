"""FCM HTTP v1: one call a device, over connections that are kept."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import quote

import aiohttp

from workers.providers.base import Delivered, Failed, Notice, Outcome, ProviderName, Target
from workers.providers.fcm_answers import ACCESS_REFUSED, outcome_of
from workers.providers.fcm_payload import request_body
from workers.providers.google_token import GoogleToken, NoToken
from workers.providers.posting import KEEP_ALIVE_S, Poster

BASE_URL: Final = "https://fcm.googleapis.com"
TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

PLACEHOLDER: Final = "New message"

CONCURRENCY_MAX: Final = 100
"""Calls at once, each on a connection of its own; at 50 ms a call that is 2,000 a second."""

TIMEOUT_S: Final = 15.0
"""For one notice, a new access token included; Google advises against less than ten seconds."""

ANSWER_MAX_BYTES: Final = 65_536

PROOF_LIFE_S: Final = 3_600.0
"""For how long an accepted payload speaks for those like it, in seconds."""

_Shape = tuple[str, str, bool]


class FcmProvider:
    """Sends for one project. See `Provider`.

    `project`, `client_email`, `private_key` (PEM), `key_id` and `token_uri` are those of the
    service account's JSON file. `base_url` and `token_url` (where tokens are asked for; "" is
    `token_uri`) are for proxies and tests. `placeholder` is what an iPhone shows of a content-free
    notification. Raises ValueError if the key cannot be read.
    """

    def __init__(
        self,
        *,
        project: str,
        client_email: str,
        private_key: str,
        key_id: str,
        token_uri: str = TOKEN_URI,
        base_url: str = BASE_URL,
        token_url: str = "",
        placeholder: str = PLACEHOLDER,
        concurrency: int = CONCURRENCY_MAX,
        timeout_s: float = TIMEOUT_S,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._project = project
        self._placeholder = placeholder
        self._url = f"{base_url.rstrip('/')}/v1/projects/{quote(project, safe='')}/messages:send"
        self._wall = wall
        self._monotonic = monotonic
        self._poster = Poster(
            concurrency=concurrency,
            timeout_s=timeout_s,
            answer_max_bytes=ANSWER_MAX_BYTES,
            # One more for the access token, which is asked for while sends wait in their places.
            connector=lambda: aiohttp.TCPConnector(
                limit=concurrency + 1, keepalive_timeout=KEEP_ALIVE_S
            ),
        )
        self._token = GoogleToken(
            self._poster,
            client_email=client_email,
            private_key=private_key,
            key_id=key_id,
            token_uri=token_uri,
            token_url=token_url or token_uri,
            wall=wall,
            monotonic=monotonic,
        )
        # When a payload of each shape was last accepted: few, whatever is sent.
        self._accepted_at: dict[_Shape, float] = {}

    def __repr__(self) -> str:
        return f"<FcmProvider {self._project}>"

    @property
    def name(self) -> ProviderName:
        """See Provider."""
        return "fcm"

    async def run(self) -> None:
        """See Provider. There is nothing to do between sends: the token is renewed by one."""
        await asyncio.Event().wait()

    async def send(self, target: Target, notice: Notice) -> Outcome:
        """See Provider."""
        if target.kind == "subscription":
            return Failed("FCM knows tokens and installation ids only")
        work = partial(self._send, target, notice)
        return await self._poster.within(work, scope="provider")

    async def close(self) -> None:
        """See Provider."""
        await self._poster.close()

    async def _send(self, target: Target, notice: Notice) -> Outcome:
        body = request_body(target, notice, now=self._wall(), placeholder=self._placeholder)
        # Payloads are made by one function; these are the differences that FCM could mind.
        shape = (notice.act, target.kind, bool(notice.title or notice.body))
        try:
            token = await self._token.get()
            outcome = await self._call(token, body, shape)
            if outcome == ACCESS_REFUSED:
                token = await self._token.get(refused=token)
                outcome = await self._call(token, body, shape)
        except NoToken as error:
            return error.outcome
        if isinstance(outcome, Delivered):
            self._accepted_at[shape] = self._monotonic()
        return outcome

    async def _call(self, token: str, body: bytes, shape: _Shape) -> Outcome:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answer = await self._poster.post(self._url, headers=headers, body=body)
        accepted_at = self._accepted_at.get(shape)
        proven = accepted_at is not None and self._monotonic() - accepted_at < PROOF_LIFE_S
        return outcome_of(answer, proven=proven, now=self._wall())
