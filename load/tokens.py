"""Tokens for clients: signed with the hub's secret, or dealt from a list.

Which user a client is follows from the run and the client's number, so that processes agree on it
without a word.
"""

import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jwt

from load.share import Share

TTL_S: Final = 86_400
"""How long a token is good for, in seconds: longer than any run."""

SECRET_BYTES_MAX: Final = 64 * 1024
TOKENS_FILE_BYTES_MAX: Final = 64 * 1024 * 1024


class TokensError(ValueError):
    """A file has no secret or no tokens; says which, and what is expected, and never what is in
    it."""


class Tokens:
    """What the clients of a share show to the hub. Not to be written to a log."""

    def __init__(self, share: Share) -> None:
        self._run = share.run
        self._secret = share.secret
        self._tokens = share.tokens
        self._expires = int(time.time()) + TTL_S

    def of(self, client: int, **claims: Any) -> str:
        """The token of a client by its number; "" where the run has neither secret nor tokens.

        One that is signed here is for `user`, with these claims; one from a list has its own.
        """
        if self._tokens:
            return self._tokens[client % len(self._tokens)]
        return self._sign({"sub": self.user(client), **claims})

    def subscription(self, client: int, channel: str, **claims: Any) -> str:
        """A client's token for one channel; "" where there is no secret."""
        return self._sign({"sub": self.user(client), "channel": channel, **claims})

    def user(self, client: int) -> str:
        """Who a client is: one of the run's own users, or whom its token from the list is for."""
        if self._tokens:
            return _subject(self._tokens[client % len(self._tokens)])
        return f"{self._run}-{client}"

    def _sign(self, claims: Mapping[str, Any]) -> str:
        if not self._secret:
            return ""
        return jwt.encode({**claims, "exp": self._expires}, self._secret, algorithm="HS256")


def _subject(token: str) -> str:
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return ""
    return str(claims.get("sub", ""))


def read_secret(path: str) -> str:
    """The secret in a file: all of it, but for line feeds at its end. Raises TokensError."""
    secret = _read(path, SECRET_BYTES_MAX).rstrip("\r\n")
    if not secret:
        raise TokensError(f"{path} is empty: it should hold the hub's HS256 secret")
    return secret


def read_tokens(path: str) -> tuple[str, ...]:
    """The tokens in a file, one a line; empty lines are passed over. Raises TokensError."""
    lines = (line.strip() for line in _read(path, TOKENS_FILE_BYTES_MAX).splitlines())
    tokens = tuple(line for line in lines if line)
    for number, token in enumerate(itertools.islice(tokens, 1_000), 1):
        if token.count(".") != 2:
            raise TokensError(f"{path}: token {number} is none; one JWT a line is expected")
    if not tokens:
        raise TokensError(f"{path} is empty: one token a line is expected")
    return tokens


def _read(path: str, bytes_max: int) -> str:
    try:
        if Path(path).stat().st_size > bytes_max:
            raise TokensError(f"{path} has more than {bytes_max:,} bytes")
        return Path(path).read_text("utf-8")
    except UnicodeDecodeError:
        raise TokensError(f"{path} is not text") from None
    except OSError as error:
        raise TokensError(f"{path}: {error.strerror}") from None
