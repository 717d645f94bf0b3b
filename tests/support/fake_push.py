"""What a sender to the fake push services signs and sends, written without any of our providers."""

import base64
import functools
import json
import os
import time
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

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


def seal(
    text: bytes, p256dh: str, auth: str, *, size: int = 4_096, padding: bytes = b"\2"
) -> bytes:
    """Encrypt for a subscription (RFC 8291), in one record of `size`, which ends in `padding`."""
    theirs = b64decode(p256dh)
    key = ec.generate_private_key(ec.SECP256R1())
    ours = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
    shared = key.exchange(ec.ECDH(), point)
    secret = _hkdf(b64decode(auth), shared, b"WebPush: info\0" + theirs + ours, 32)
    salt = os.urandom(16)
    content_key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\0", 12)
    sealed = AESGCM(content_key).encrypt(nonce, text + padding, None)
    return salt + size.to_bytes(4, "big") + bytes([len(ours)]) + ours + sealed


def vapid(key: ec.EllipticCurvePrivateKey, origin: str, **changed: Any) -> str:
    """An authorization for Web Push; `changed` are claims, and `k`."""
    public = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    k = changed.pop("k", base64.urlsafe_b64encode(public).rstrip(b"=").decode())
    claims = {
        "aud": origin,
        "exp": int(time.time()) + 3_600,
        "sub": "mailto:me@example.com",
        **changed,
    }
    return f"vapid t={jwt.encode(claims, key, algorithm='ES256')}, k={k}"


def b64decode(text: str) -> bytes:
    """Read base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)
