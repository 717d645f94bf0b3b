"""Who is behind a request of HTTP that carries a connection token, as for a connection."""

import uuid

from realtime.auth.errors import TokenError, TokenExpired
from realtime.auth.revocations import Revocations
from realtime.chat.caller import Caller
from realtime.errors import PERMISSION_DENIED, TOKEN_EXPIRED, UNAUTHORIZED, CallRefused
from realtime.hub.clock import Clock
from realtime.hub.identities import Identities
from realtime.model import ClientInfo


class Bearers:
    """Verifies tokens of requests. Revoked tokens and bans count as they do for connections."""

    def __init__(self, identities: Identities, *, revocations: Revocations, clock: Clock) -> None:
        self._identities = identities
        self._revocations = revocations
        self._clock = clock

    async def caller(self, token: str) -> Caller:
        """Who bears the token. Raises CommandRefused: 101, 103 (banned), 109, 100."""
        if not token:
            raise CallRefused(UNAUTHORIZED)
        waiting = self._identities.wait_for(token)
        if waiting is not None:
            await waiting
        try:
            identity = self._identities.connection(token).identity
        except TokenExpired:
            raise CallRefused(TOKEN_EXPIRED) from None
        except TokenError:
            raise CallRefused(UNAUTHORIZED) from None
        user = identity.user
        if self._revocations.bans(user) and self._revocations.banned(
            user, "", self._clock.wall_ms()
        ):
            raise CallRefused(PERMISSION_DENIED, why="banned")
        # What others see of a connection, made up: entries say who, not by which way.
        info = ClientInfo(user, str(uuid.uuid5(_REQUESTS, user)), identity.info)
        return Caller(user, identity.role, info=info)


_REQUESTS = uuid.UUID("8f0f6c1c-5c2e-4f6c-9f4e-2f9c3f0f7d11")
"""Names the space of ids that stand for a user's requests, in place of a connection's."""
