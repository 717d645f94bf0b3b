"""`realtime token`: make a token to connect, or to subscribe to one channel."""

import argparse
import secrets
import time
from collections.abc import Mapping
from typing import Final

import jwt

from realtime.cli.sources import Commands, add_config, add_dev, load_settings
from realtime.errors import SettingsError
from realtime.settings.development import HMAC_SECRET, ORIGIN
from realtime.settings.durations import Duration
from realtime.settings.schema import AuthSettings

ROLES: Final = ("user", "admin", "guest")
_SECOND_MS: Final = 1_000


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("token", help="make a token")
    parser.add_argument("user", metavar="USER", help='id of the user; "" for a guest')
    parser.add_argument("--role", choices=ROLES, help="user, or guest without an id, if not given")
    parser.add_argument(
        "--ttl", type=_ttl, default=Duration.parse("1h"), help="how long it is good (1h)"
    )
    parser.add_argument("--channel", help="make a subscription token for this channel")
    add_config(parser)
    add_dev(parser, "use the secret that `realtime serve --dev` has made and kept")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print a token."""
    loaded = load_settings(arguments, needs=(HMAC_SECRET,))
    settings = loaded.settings
    secret = settings.auth.hmac_secret
    if secret is None:
        raise SettingsError(["auth.hmac_secret: not set, so there is nothing to sign a token with"])
    if loaded.origins["auth.hmac_secret"] == ORIGIN:
        # Made for this process alone; one that is kept has its file's name as origin.
        raise SettingsError(
            ["store.url: beside a database in memory no secret is kept that a token could be for"]
        )
    if arguments.channel is not None and arguments.role is not None:
        raise SettingsError(["--role: a subscription token has no role"])
    claims = make_claims(
        settings.auth,
        arguments.user,
        now=int(time.time()),
        ttl=arguments.ttl,
        jti=secrets.token_hex(16),
        role=arguments.role,
        channel=arguments.channel,
    )
    print(jwt.encode(dict(claims), secret.reveal(), algorithm="HS256"))
    return 0


def make_claims(
    auth: AuthSettings,
    user: str,
    *,
    now: int,
    ttl: Duration,
    jti: str,
    role: str | None = None,
    channel: str | None = None,
) -> Mapping[str, object]:
    """Return a token's claims (protocol 3.2 and 3.3) such that a hub with `auth` accepts it.

    `now` is in seconds since 1970. With a channel they are a subscription token's.
    """
    claims: dict[str, object] = {auth.user_claim: user}
    if channel is None:
        claims["role"] = role or ("user" if user else "guest")
    else:
        claims["channel"] = channel
    claims |= {"iat": now, "exp": now + ttl.ms // _SECOND_MS, "jti": jti}
    if auth.audience is not None:
        claims["aud"] = auth.audience
    if auth.issuer is not None:
        claims["iss"] = auth.issuer
    return claims


def _ttl(text: str) -> Duration:
    try:
        ttl = Duration.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if ttl.ms < _SECOND_MS:
        raise argparse.ArgumentTypeError("expected at least 1s")
    return ttl
