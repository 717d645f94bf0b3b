"""What the settings say about tokens: with what they are verified, and made for development."""

import secrets
import time
from collections.abc import Callable
from typing import Final

import jwt

from realtime.auth.jwks import NO_KEYS
from realtime.auth.keys import FixedKeys
from realtime.auth.tokens import TokenRules
from realtime.errors import SettingsError
from realtime.hub.identities import Credentials
from realtime.server.jwks import HttpJwksSource
from realtime.settings.schema import AuthSettings

DEV_TOKEN_S: Final = 24 * 3600
"""How long a token of the development page is good."""


def make_credentials(auth: AuthSettings) -> Credentials:
    """What tokens are verified with. Raises SettingsError for keys that cannot be used."""
    rules = TokenRules(auth.audience, auth.issuer, auth.user_claim, auth.leeway_s)
    if auth.jwks_url is not None:
        return Credentials(NO_KEYS, rules, HttpJwksSource(auth.jwks_url))
    return Credentials(
        FixedKeys(
            hmac_secret=auth.hmac_secret.reveal() if auth.hmac_secret else None,
            hmac_previous_secret=(
                auth.hmac_previous_secret.reveal() if auth.hmac_previous_secret else None
            ),
            rsa_public_key=auth.rsa_public_key,
            ecdsa_public_key=auth.ecdsa_public_key,
        ),
        rules,
    )


def token_issuer(auth: AuthSettings) -> Callable[[str], str]:
    """Makes tokens for the development page, with the secret that the hub verifies them with."""
    if auth.hmac_secret is None:
        raise SettingsError(["auth.hmac_secret: not set; --dev needs it to issue tokens"])
    secret = auth.hmac_secret.reveal()

    def issue(user: str) -> str:
        now = int(time.time())
        claims = {
            auth.user_claim: user,
            "info": {"name": user},
            "iat": now,
            "exp": now + DEV_TOKEN_S,
            "jti": secrets.token_hex(8),
        }
        if auth.audience is not None:
            claims["aud"] = auth.audience
        if auth.issuer is not None:
            claims["iss"] = auth.issuer
        return jwt.encode(claims, secret, algorithm="HS256")

    return issue
