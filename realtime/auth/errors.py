"""Why a token is not accepted. The texts are constant: nothing of a token is ever part of them.

    RealtimeError
    +-- TokenError      the token is not accepted
        +-- TokenExpired  it was good once; the client should get a new one
        +-- TokenInvalid  it never was, or is not what the caller asked for
        +-- NeedsKey      it names a key that the published key set, as known here, does not have

What they become on the wire depends on the command (protocol 3.4, 3.5), which is the hub's part.
"""

from typing import Literal

from realtime.errors import RealtimeError

Reason = Literal[
    "size",
    "format",
    "header",
    "key",
    "signature",
    "audience",
    "issuer",
    "not yet",
    "claims",
    "use",
    "revoked",
]
"""Which check refused a token: for the operator, never for the wire, where it helps to guess."""


class TokenError(RealtimeError):
    """The token is not accepted."""


class TokenExpired(TokenError):
    """The signature is good, the time has passed."""

    def __str__(self) -> str:
        return "token expired"


class TokenInvalid(TokenError):
    """The token is not good. `reason` names the check that refused it, in one of a few words."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason

    def __str__(self) -> str:
        return "invalid token"


class NeedsKey(TokenError):
    """The key with the id `kid` is not known; a newer key set may have it (`JwksCache`).

    `kid` comes from an unverified header: look it up, but do not log it or build anything from it.
    """

    def __init__(self, kid: str) -> None:
        super().__init__(kid)
        self.kid = kid

    def __str__(self) -> str:
        return "unknown token key"
