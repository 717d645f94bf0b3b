"""Who is behind a connection, as the hub keeps it for as long as the connection lives."""

from typing import Final, Literal

import msgspec

Role = Literal["admin", "user", "guest"]
"""What a token says that its bearer is. An admin may do everything, a guest what everyone may."""


class Identity(msgspec.Struct, frozen=True, gc=False):
    """Who is behind a connection. One value serves every connection made with the same token.

    `user` is "" for a guest without an id. `info` is raw JSON for others to see, b"" for none.
    `expires_at` is when the connection ends unless it is refreshed, in seconds since 1970, 0 for
    never; with leeway it may be a little in the past already. `jti` and `iat` are the token's, for
    `Revocations`: "" and None where it had none, or where there was no token.
    """

    user: str
    role: Role
    info: bytes = b""
    expires_at: float = 0.0
    jti: str = ""
    iat: float | None = None


GUEST: Final = Identity("", "guest")
"""Somebody without a token, where that is allowed."""
