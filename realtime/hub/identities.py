"""Tokens against the keys of the moment, published ones included, and against revocations."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

import msgspec

from realtime.auth.claims import ConnectionClaims, SubscriptionClaims
from realtime.auth.errors import NeedsKey, TokenError, TokenInvalid
from realtime.auth.identity import Identity
from realtime.auth.jwks import JwksCache, JwksSource, JwksUnusable
from realtime.auth.keys import KeySet
from realtime.auth.revocations import Revocations
from realtime.auth.tokens import TokenRules, TokenVerifier
from realtime.errors import INTERNAL, CommandRefused
from realtime.hub.clock import Clock

logger = logging.getLogger(__name__)


class Credentials(msgspec.Struct, frozen=True):
    """What tokens are verified with. With a `source`, published keys take the place of `keys`."""

    keys: KeySet
    rules: TokenRules
    source: JwksSource | None = None


class Identities:
    """Answers who a token's bearer is.

    With published keys (`source`) a key may have to be fetched first: `wait_for` before the rest.
    `spawn` hosts a coroutine in a task that has a parent.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        revocations: Revocations,
        clock: Clock,
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._verifier = TokenVerifier(credentials.keys, credentials.rules)
        self._source = credentials.source
        self._cache = JwksCache()
        self._revocations = revocations
        self._clock = clock
        self._spawn = spawn
        self._fetching: asyncio.Future[bool] | None = None

    def use(self, credentials: Credentials) -> None:
        """Verify with these from now on; connections that were verified before stay.

        Published keys of the same address stay too: the provider may be down just now.
        """
        source, before = credentials.source, self._source
        self._source = source
        if source is None or before is None or source.url != before.url:
            self._cache = JwksCache()
        self._verifier = TokenVerifier(credentials.keys, credentials.rules)

    def wait_for(self, token: str) -> Coroutine[object, object, None] | None:
        """What to await before the token is asked about; None where its key is at hand.

        Raises CommandRefused (100, temporary), now or when awaited, where no keys could be had, and
        where the key may have been published since they were.
        """
        source = self._source
        if source is None:
            return None
        now = self._clock.monotonic()
        self._verifier.use_keys(self._cache.keys(now))
        kid: str | None = None
        try:
            self._verifier.verify_connection(token, self._clock.wall())
        except NeedsKey as missing:
            kid = missing.kid
        except TokenError:
            pass  # its key is known; what is wrong with it is for `connection` to say
        begins = self._fetching is None and self._cache.needs_fetch(kid, now)
        if begins:
            self._fetching = asyncio.get_running_loop().create_future()
            self._spawn(self._fetch(source, self._fetching))
        if kid is None:
            return None  # keys that are merely old are replaced in the background
        if self._fetching is not None:
            return self._fetched(self._fetching, kid, begins)
        raise CommandRefused(INTERNAL)

    def connection(self, token: str) -> ConnectionClaims:
        """What a connection token says. Raises TokenError; a revoked token is invalid."""
        claims = self._verifier.verify_connection(token, self._clock.wall())
        if self.revoked(claims.identity):
            raise TokenInvalid("revoked")
        return claims

    def subscription(self, token: str) -> SubscriptionClaims:
        """What a subscription token says. Raises TokenError; a revoked token is invalid."""
        claims = self._verifier.verify_subscription(token, self._clock.wall())
        if self._revocations.revoked(claims.user, claims.iat, claims.jti):
            raise TokenInvalid("revoked")
        return claims

    def revoked(self, identity: Identity) -> bool:
        """Whether the token behind an identity was revoked; never for who came without one."""
        if identity.iat is None and not identity.jti and not identity.user:
            return False
        return self._revocations.revoked(identity.user, identity.iat, identity.jti)

    async def _fetched(
        self, fetching: "asyncio.Future[bool]", kid: str, begun_for_it: bool
    ) -> None:
        """Wait; the key is missing for good only from a fetch that began after the token."""
        is_loaded = await asyncio.shield(fetching)
        keys = self._cache.keys(self._clock.monotonic())
        if not len(keys) or (kid not in keys and not (is_loaded and begun_for_it)):
            # The provider is to blame, or was asked too early: the client should come back.
            raise CommandRefused(INTERNAL)
        self._verifier.use_keys(keys)

    async def _fetch(self, source: JwksSource, done: "asyncio.Future[bool]") -> None:
        cache = self._cache
        is_loaded = False
        try:
            document = await source.fetch()
            cache.loaded(document, self._clock.monotonic())
            is_loaded = True
        except (OSError, TimeoutError, JwksUnusable) as error:
            cache.failed(self._clock.monotonic())
            logger.warning("auth.jwks_url: cannot use the published keys: %s", error)
        finally:
            self._fetching = None
            if not done.done():
                done.set_result(is_loaded)
