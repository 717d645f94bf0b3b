"""What a sender to the fake push services signs and sends, written without any of our providers."""

import functools
import json
import time
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import jwt

from workers.fakepush import FakePush

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SEND_PATH: Final = "/v1/projects/fakepush/messages:send"


def provider_token(
    fake: FakePush, *, age_s: float = 0, key: str | None = None, **changed: Any
) -> str:
    """An APNs provider token; `changed` are claims, and `kid`."""
    own = fake.world.apns_key
    kid = changed.pop("kid", own.key_id)
    claims = {"iss": own.team_id, "iat": int(time.time() - age_s), **changed}
    return jwt.encode(claims, key or own.pem(), algorithm="ES256", headers={"kid": kid})


@functools.lru_cache(maxsize=8)
def _first_token(fake: FakePush) -> str:
    # Signing is not deterministic: twice the same claims are two tokens, and one too many.
    return provider_token(fake)


def apns_headers(fake: FakePush, token: str | None = None, **more: str) -> dict[str, str]:
    """Headers of a notification to be shown; `more` with underscores for dashes, "" for none."""
    told = {
        "authorization": f"bearer {token or _first_token(fake)}",
        "apns-topic": "dev.fakepush.app",
        "apns-push-type": "alert",
    }
    told |= {name.replace("_", "-"): value for name, value in more.items()}
    return {name: value for name, value in told.items() if value}


def alert(title: str = "hello", **more: Any) -> dict[str, Any]:
    """A payload of APNs that is seen."""
    return {"aps": {"alert": {"title": title, "body": "there"}}, **more}


def assertion(fake: FakePush, *, key: str | None = None, **changed: Any) -> str:
    """What is exchanged for an access token; `changed` are claims (None: without it), and `kid`."""
    account = fake.world.account.told()
    now = int(time.time())
    kid = changed.pop("kid", account["private_key_id"])
    claims = {
        "iss": account["client_email"],
        "scope": SCOPE,
        "aud": fake.token_url,
        "iat": now,
        "exp": now + 3_600,
        **changed,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    private = key or account["private_key"]
    return jwt.encode(claims, private, algorithm="RS256", headers={"kid": kid})


async def exchange(
    client: aiohttp.ClientSession, fake: FakePush, signed: str
) -> tuple[int, dict[str, Any]]:
    """Ask the token endpoint: status and answer."""
    form = {"grant_type": GRANT, "assertion": signed}
    async with client.post(fake.token_url, data=form) as answer:
        return answer.status, await answer.json()


async def access_token(client: aiohttp.ClientSession, fake: FakePush) -> str:
    """An access token."""
    _, told = await exchange(client, fake, assertion(fake))
    return str(told["access_token"])


async def send_fcm(
    client: aiohttp.ClientSession,
    fake: FakePush,
    token: str,
    body: Mapping[str, Any] | bytes,
    *,
    path: str = SEND_PATH,
) -> tuple[int, Mapping[str, str], dict[str, Any]]:
    """Send one message: status, headers, answer. `token` is the access token."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with client.post(fake.fcm_url + path, data=raw, headers=headers) as answer:
        return answer.status, answer.headers, await answer.json()
