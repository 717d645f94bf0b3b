"""The providers that the settings name. Reads their keys: of files also when those are replaced."""

import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from realtime.chat.ports import Clock
from realtime.errors import SettingsError
from realtime.settings.push_schema import ApnsSettings, FcmSettings, WebPushSettings
from realtime.settings.schema import Settings
from realtime.settings.secret import Secret
from workers.gate import Gate, Told
from workers.providers.apns.key import ProviderKey
from workers.providers.apns.provider import ApnsProvider
from workers.providers.apns.tokens import SharedToken
from workers.providers.base import Provider, ProviderName
from workers.providers.endpoint_guard import EndpointGuard
from workers.providers.fcm import TOKEN_URI, FcmProvider
from workers.providers.renewed import RenewedProvider
from workers.providers.webpush import WebPushProvider

KEY_MAX_BYTES: Final = 65_536
"""The longest file of a key."""


class _ServiceAccount(msgspec.Struct):
    """What is read of the JSON of a service account."""

    project_id: str
    client_email: str
    private_key: str
    private_key_id: str
    token_uri: str = TOKEN_URI


def make_gates(
    settings: Settings,
    *,
    clock: Clock,
    workers: Callable[[], int],
    tell: Told,
    shared: SharedToken | None = None,
) -> Mapping[ProviderName, Gate]:
    """Those that are set, each behind its gate. Raises SettingsError, naming all that is wrong."""
    sections: Mapping[str, FcmSettings | ApnsSettings | WebPushSettings] = {
        "fcm": settings.fcm,
        "apns": settings.apns,
        "webpush": settings.webpush,
    }
    gates: dict[ProviderName, Gate] = {}
    problems: list[str] = []
    for make in (_fcm, lambda s, c: _apns(s, c, shared), _webpush):
        try:
            provider = make(settings, clock)
        except SettingsError as error:
            problems += error.problems
            continue
        if provider is not None:
            gate = gates[provider.name] = Gate(
                provider,
                per_s=sections[provider.name].rate,
                places=sections[provider.name].concurrency,
                pause_s=settings.push.pause.ms / 1_000,
                clock=clock,
                random=random.random,
                workers=workers,
                tell=tell,
            )
            if isinstance(provider, RenewedProvider):
                provider.renewed = gate.renewed
    if problems:
        raise SettingsError(problems)
    return gates


def _fcm(settings: Settings, clock: Clock) -> Provider | None:
    fcm = settings.fcm
    if fcm.credentials_file is None:
        return None
    read = partial(_read, "fcm.credentials_file", fcm.credentials_file)
    return RenewedProvider(read, lambda content: _fcm_with(content, fcm, clock))


def _fcm_with(content: bytes, fcm: FcmSettings, clock: Clock) -> Provider:
    try:
        account = msgspec.json.decode(content, type=_ServiceAccount)
        return FcmProvider(
            project=account.project_id,
            client_email=account.client_email,
            private_key=account.private_key,
            key_id=account.private_key_id,
            token_uri=account.token_uri,
            base_url=fcm.base_url,
            token_url=fcm.token_url or "",
            concurrency=fcm.concurrency,
            wall=_wall(clock),
            monotonic=clock.monotonic,
        )
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        # Without the cause, which may quote what it has read.
        raise SettingsError(
            ["fcm.credentials_file: expected the JSON file of a service account's key"]
        ) from None


def _apns(settings: Settings, clock: Clock, shared: SharedToken | None) -> Provider | None:
    apns = settings.apns
    key_id, team_id, topic = apns.key_id, apns.team_id, apns.topic
    if apns.key_file is None or key_id is None or team_id is None or topic is None:
        return None

    def make(content: bytes) -> Provider:
        pem = Secret(content.decode("utf-8", "replace"))
        try:
            key = ProviderKey(pem, key_id=key_id, team_id=team_id)
        except ValueError as error:
            raise SettingsError([f"apns.key_file: {error}"]) from None
        return _apns_with(key, topic, apns, clock, shared)

    return RenewedProvider(partial(_read, "apns.key_file", apns.key_file), make)


def _apns_with(
    key: ProviderKey, topic: str, apns: ApnsSettings, clock: Clock, shared: SharedToken | None
) -> Provider:
    try:
        return ApnsProvider(
            key,
            topic=topic,
            clock=clock,
            random=random.random,
            shared=shared,
            environment=apns.environment,
            production_url=apns.production_url,
            sandbox_url=apns.sandbox_url,
            ca_file=apns.ca_file,
            concurrency=apns.concurrency,
        )
    except (ValueError, OSError) as error:
        raise SettingsError([f"apns: {error}"]) from None


def _webpush(settings: Settings, clock: Clock) -> Provider | None:
    webpush = settings.webpush
    if webpush.vapid_private_key is None or webpush.vapid_subject is None:
        return None
    try:
        return WebPushProvider(
            private_key=webpush.vapid_private_key.reveal(),
            subject=webpush.vapid_subject,
            guard=EndpointGuard(own=webpush.origins, allow_http=True),
            concurrency=webpush.concurrency,
            wall=_wall(clock),
            monotonic=clock.monotonic,
        )
    except ValueError as error:
        raise SettingsError([f"webpush: {error}"]) from None


def _wall(clock: Clock) -> Callable[[], float]:
    return lambda: clock.wall_ms() / 1_000


def _read(setting: str, path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            found = file.read(KEY_MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError([f"{setting}: {error.strerror or 'cannot be read'}"]) from None
    if len(found) > KEY_MAX_BYTES:
        raise SettingsError([f"{setting}: expected a file of at most {KEY_MAX_BYTES} bytes"])
    return found
