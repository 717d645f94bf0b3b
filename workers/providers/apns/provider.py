"""The provider: one notice to one device, by what APNs asks of those who send. See `base`."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, Literal

from realtime.cluster.clock import Clock
from workers.providers.apns.answers import (
    ENVIRONMENT_REASONS,
    TokenOverused,
    TokenRefused,
    Verdict,
    WrongHost,
    judge,
)
from workers.providers.apns.connection import ConnectionLimits, Origin, make_context
from workers.providers.apns.key import ProviderKey, ProviderToken
from workers.providers.apns.link import Link, Unreachable
from workers.providers.apns.payload import Presentation, encode
from workers.providers.apns.requests import describe, is_device_token, is_topic
from workers.providers.apns.tokens import MemoryToken, SharedToken, Tokens
from workers.providers.base import (
    Delivered,
    Failed,
    Later,
    Misconfigured,
    Notice,
    Outcome,
    ProviderName,
    Rejected,
    Target,
)
from workers.providers.retry_after import retry_after_s

logger = logging.getLogger(__name__)

PRODUCTION_URL: Final = "https://api.push.apple.com"
SANDBOX_URL: Final = "https://api.sandbox.push.apple.com"
"""Apple's own hosts; port 2197 serves the same where a firewall is in the way."""

CONCURRENCY_MAX: Final = 500
"""How many pushes are under way at once: half of the 1,000 streams that APNs gives a connection."""

TIMEOUT_S: Final = 20.0
"""How long one push may take, in seconds, with the wait for its turn and for a connection."""

OVERUSED_WAIT_S: Final = 60.0
"""How long nothing is sent after our token changed too often, in seconds."""

Environment = Literal["production", "sandbox"]


class ApnsProvider:
    """See `workers.providers.base.Provider`.

    `key` signs for one team; `topic` is the bundle id for devices that do not name theirs.
    `environment` is tried first for a device that did not say its own. `shared` is where the team's
    workers have their token; without it there is but this one. `ca_file` (PEM) is trusted in place
    of the system's authorities. `concurrency`: how many pushes are under way at once, the others
    wait. `random` answers a number from 0 to below 1. Raises ValueError for a URL that is not https
    and a topic that is none, OSError (ssl.SSLError) for a `ca_file` that cannot be read.
    """

    def __init__(
        self,
        key: ProviderKey,
        *,
        topic: str,
        clock: Clock,
        random: Callable[[], float],
        shared: SharedToken | None = None,
        environment: Environment = "production",
        presentation: Presentation | None = None,
        production_url: str = PRODUCTION_URL,
        sandbox_url: str = SANDBOX_URL,
        ca_file: str | None = None,
        concurrency: int = CONCURRENCY_MAX,
        timeout_s: float = TIMEOUT_S,
        limits: ConnectionLimits | None = None,
    ) -> None:
        if not is_topic(topic):
            raise ValueError("the APNs topic is not a bundle id")
        self._topic = topic
        self._clock = clock
        self._environment: Environment = environment
        self._presentation = presentation or Presentation()
        self._tokens = Tokens(key, shared or MemoryToken(), clock=clock)
        self._places = asyncio.Semaphore(concurrency)
        self._timeout_s = timeout_s
        context = make_context(ca_file)
        urls: dict[Environment, str] = {"production": production_url, "sandbox": sandbox_url}
        self._links = {
            name: Link(
                Origin.parse(url),
                context=context,
                limits=limits or ConnectionLimits(),
                clock=clock,
                random=random,
            )
            for name, url in urls.items()
        }

    def __repr__(self) -> str:
        return f"<ApnsProvider {self._topic} {list(self._links.values())}>"

    @property
    def name(self) -> ProviderName:
        """See `Provider`."""
        return "apns"

    async def run(self) -> None:
        """See `Provider`."""
        async with asyncio.TaskGroup() as tasks:
            for name, link in self._links.items():
                tasks.create_task(link.run(), name=f"apns {name}")

    async def close(self) -> None:
        """See `Provider`. What is under way then is `Later`."""
        await asyncio.gather(*(link.close() for link in self._links.values()))

    async def send(self, target: Target, notice: Notice) -> Outcome:
        """See `Provider`. Cancelling takes a push back that has not gone out yet."""
        topic = target.app or self._topic
        if not is_device_token(target.address):
            return Rejected("not a device token")
        if not is_topic(topic):
            return Rejected("not a bundle id", parked=True)
        payload = encode(notice, self._presentation)
        if payload is None:
            return Failed("the data is too long")
        try:
            async with asyncio.timeout(self._timeout_s), self._places:
                headers = describe(target, notice, topic=topic)
                return await self._send(target.environment, headers, payload)
        except TimeoutError:
            return Later("timeout")
        except Unreachable as error:
            return Later(error.why, error.after_s)

    async def _send(
        self,
        environment: Literal["", "production", "sandbox"],
        headers: Mapping[str, str],
        payload: bytes,
    ) -> Outcome:
        first = environment or self._environment
        verdict = await self._push(first, headers, payload)
        if environment:
            return Rejected(verdict.why) if isinstance(verdict, WrongHost) else verdict
        if not isinstance(verdict, WrongHost):
            return _found(verdict, first)
        second: Environment = "sandbox" if first == "production" else "production"
        verdict = await self._push(second, headers, payload)
        match verdict:
            case WrongHost(why=why):
                return Rejected(why)
            case Misconfigured(why=why) if why in ENVIRONMENT_REASONS:
                # Our key is well where it is meant for: it is this device that we cannot serve.
                return Rejected(why, parked=True)
            case _:
                return _found(verdict, second)

    async def _push(
        self, environment: Environment, headers: Mapping[str, str], payload: bytes
    ) -> Outcome | WrongHost:
        """Ask one host, and once more with another provider token where ours is refused."""
        token = await self._tokens.current()
        verdict = await self._ask(environment, token, headers, payload)
        if isinstance(verdict, TokenRefused):
            logger.warning("apns: our provider token is refused: %s", verdict.why)
            renewed = await self._tokens.renew(token, expired=verdict.expired)
            if renewed is None:
                return Misconfigured(verdict.why)
            token = renewed
            verdict = await self._ask(environment, token, headers, payload)
        match verdict:
            case TokenRefused(why=why):
                return Misconfigured(why)
            case TokenOverused(why=why):
                await self._tokens.agree(token)
                return Later(why, OVERUSED_WAIT_S)
            case Delivered():
                self._tokens.accepted(token)
        return verdict

    async def _ask(
        self,
        environment: Environment,
        token: ProviderToken,
        headers: Mapping[str, str],
        payload: bytes,
    ) -> Verdict:
        link = self._links[environment]
        response = await link.request(
            {
                ":method": headers[":method"],
                ":scheme": "https",
                ":authority": link.origin.authority,
                **headers,
                "authorization": f"bearer {token.text}",
            },
            payload,
        )
        return judge(
            response.status,
            response.body,
            apns_id=response.headers.get("apns-id", ""),
            after_s=retry_after_s(
                response.headers.get("retry-after"), now=self._clock.wall_ms() / 1000
            ),
        )


def _found(outcome: Outcome, environment: Environment) -> Outcome:
    """The same, with where a device was found that had not said where it is."""
    if isinstance(outcome, Delivered):
        return Delivered(outcome.id, environment)
    return outcome
