"""Asking the app over HTTP before a message is stored. See `realtime.chat.hooks`."""

import hashlib
import hmac
import logging
from collections.abc import Callable
from typing import Final, Literal

import aiohttp
import msgspec

from realtime.chat.caller import Caller
from realtime.chat.hooks import Question, Verdict
from realtime.errors import INTERNAL, PERMISSION_DENIED, TOO_LARGE, CallRefused, CommandRefused

logger = logging.getLogger(__name__)

SIGNATURE_HEADER: Final = "X-Realtime-Signature"
"""`sha256=` and the HMAC of the body in hexadecimal, under `chat.hook_secret`."""

ASKED_MAX: Final = 64
"""Questions at once, each on a connection that is kept; more wait, within their time."""

ANSWER_MAX_BYTES: Final = 1_048_576
"""The longest answer that is read."""

FAILURES_MAX: Final = 5
"""Failures in a row after which nobody is asked for `REST_S`, so that a dead app does not hold up
every message for the whole of its time."""

REST_S: Final = 5.0


class HttpHook:
    """Asks `url`. `data_max_bytes` bounds what the app may put in the place of a message.

    An answer of 200 is a `Verdict`; any other, or none in time, counts as a failure.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: bytes,
        timeout_s: float,
        fail: Literal["open", "closed"],
        data_max_bytes: int,
        now: Callable[[], float],
    ) -> None:
        self._url = url
        self._secret = secret
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._fail = fail
        self._data_max_bytes = data_max_bytes
        self._now = now
        self._session: aiohttp.ClientSession | None = None
        self._failures = 0
        self._rests_until = 0.0
        self.failures = 0
        """Questions without an answer since the start, those not asked included."""
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Verdict).decode

    async def ask(self, caller: Caller, question: Question) -> bytes:
        """See `Hook`."""
        verdict = await self._answer(question)
        if verdict is None:
            self.failures += 1
            if self._fail == "closed":
                raise CommandRefused(INTERNAL)
            return bytes(question.data)
        if not verdict.allow:
            raise CallRefused(PERMISSION_DENIED, why="refused_by_hook")
        data = bytes(verdict.data)
        if len(data) > self._data_max_bytes:
            raise CallRefused(TOO_LARGE)
        return data or bytes(question.data)

    async def close(self) -> None:
        """Let go of the connections. Idempotent."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _answer(self, question: Question) -> Verdict | None:
        if self._now() < self._rests_until:
            return None
        try:
            verdict = self._decode(await self._post(self._encode(question)))
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError) as error:
            self._failed(error)
            return None
        self._failures = 0
        return verdict

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= FAILURES_MAX:
            # One more failure is enough for the next rest: the app is asked again, once.
            self._failures = FAILURES_MAX - 1
            self._rests_until = self._now() + REST_S
            # The error's own text may name the address with credentials in it.
            logger.warning("chat.hook_url: no answer (%s); asked again later", type(error).__name__)

    async def _post(self, body: bytes) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, connector=aiohttp.TCPConnector(limit=ASKED_MAX)
            )
        headers = {"Content-Type": "application/json"}
        if self._secret:
            digest = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
            headers[SIGNATURE_HEADER] = f"sha256={digest}"
        async with self._session.post(
            self._url, data=body, headers=headers, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise OSError(f"status {response.status}")
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > ANSWER_MAX_BYTES:
                    raise OSError("the answer is too long")
            return bytes(answer)
