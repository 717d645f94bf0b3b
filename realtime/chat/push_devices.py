"""The devices that users can be told on while they are away.

An address is a secret, as whoever has it may be able to tell the device things: it comes in, and
never goes out again, but to the provider. Nor is it part of an error or of a line of a log.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from msgspec import UNSET

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.push import (
    AddressKind,
    AskKeys,
    ListDevices,
    RegisterDevice,
    RegisteredDevice,
    RegisteredDevices,
    ServerKeys,
    UnregisterDevice,
)
from realtime.chat.operations import DONE, Done, Perform
from realtime.chat.profiles import is_locale, is_time_zone
from realtime.chat.refusals import invalid
from realtime.push.rows import DEVICES, DeviceRow
from realtime.settings.push_schema import PushSettings
from realtime.stores.base import Key, Removal, Span, Write

DEVICES_READ_MAX: Final = 1_001
"""Rows of one user, at most; `push.devices_max` and the user's own row."""

OWNERS_MAX: Final = 100
"""Registrations of one address that are looked for: it should be one."""

_HEX: Final = re.compile(r"([0-9a-fA-F]{2}){32,100}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9:_\-.%]+")
_INSTALLATION: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_APP: Final = re.compile(r"[A-Za-z0-9.\-]*")

KINDS: Final[Mapping[str, tuple[AddressKind, ...]]] = {
    "fcm": ("token", "fid"),
    "apns": ("token",),
    "webpush": ("subscription",),
}
"""What an address of each provider may be, the usual first."""

_P256_POINT_BYTES: Final = 65
_AUTH_BYTES: Final = 16
"""Of a subscription's keys (RFC 8291, 3.1 and 3.2)."""

_UNCOMPRESSED: Final = b"\x04"
"""What a point of the curve begins with there."""

_REGISTERED: Final = (
    *("provider", "kind", "address", "p256dh", "auth", "app", "environment", "locale"),
    *("time_zone", "digest", "registered_at", "parked"),
)
"""The fields of a device that registering it sets, all of them."""


class PushDevices:
    """Performs what is about the caller's own devices, and `push.keys`.

    `server_key`: what browsers subscribe with (`realtime.push.server_key`), "" for no Web Push.
    """

    def __init__(self, around: Around, settings: PushSettings, *, server_key: str = "") -> None:
        self._keys = ServerKeys(server_key)
        self._store = around.store
        self._clock = around.clock
        self._devices_max = settings.devices_max
        self.operations: Mapping[str, Perform] = {
            "push.register": self.register,
            "push.unregister": self.unregister,
            "push.devices": self.devices,
            "push.keys": self.keys,
        }

    async def register(self, caller: Caller, params: RegisterDevice) -> RegisteredDevice:
        """Keep a device. Raises CommandRefused: 422. Raises StoreError.

        Of several who register one address it is the last one's, also where their nodes' clocks
        differ. Whoever gets an error may still be registered, and registers again.
        """
        kind = _kind(params)
        digest = address_digest(params.provider, params.address)
        own = (caller.user, params.device)
        same = await self._same(digest, own)
        at = max([self._clock.wall_ms(), *(found.registered_at + 1 for found in same)])
        row = DeviceRow(
            *own,
            provider=params.provider,
            kind=kind,
            address=params.address,
            p256dh=params.p256dh.rstrip("="),
            auth=params.auth.rstrip("="),
            app=params.app,
            environment=params.environment,
            locale=params.locale,
            time_zone=params.time_zone,
            digest=digest,
            registered_at=at,
        )
        fields = {field: getattr(row, field) for field in _REGISTERED}
        await self._store.write(
            [Write(DEVICES, own, set=fields), *map(_gone, same), *await self._surplus(row)]
        )
        # Who registered the address in the same moment has not seen this, or is seen here.
        late = [found for found in await self._same(digest, own) if _age(found) < _age(row)]
        if late:
            await self._store.write([*map(_gone, late)])
        return _shown(row)

    async def _same(self, digest: str, own: Key) -> list[DeviceRow]:
        """Other registrations of the address."""
        span = Span((digest,))
        found = await self._store.find(DEVICES, span, by=("digest", "user"), limit=OWNERS_MAX)
        return [row for row in found if DEVICES.key_of(row) != own]

    async def _surplus(self, row: DeviceRow) -> list[Removal]:
        """What is more than a user may have: those that registered longest ago."""
        mine = [
            found
            for found in await self._of(row.user)
            if found.device != row.device and found.digest != row.digest
        ]
        mine.sort(key=_age)
        return [*map(_gone, mine[: max(0, len(mine) + 1 - self._devices_max)])]

    async def unregister(self, caller: Caller, params: UnregisterDevice) -> Done:
        """Forget a device, if it is there. Raises StoreError."""
        await self._store.write([Removal(DEVICES, (caller.user, params.device))])
        return DONE

    async def devices(self, caller: Caller, params: ListDevices) -> RegisteredDevices:
        """All of the caller's. Raises StoreError."""
        return RegisteredDevices([_shown(row) for row in await self._of(caller.user)])

    async def keys(self, caller: Caller, params: AskKeys) -> ServerKeys:
        """What a browser needs before it registers."""
        return self._keys

    async def _of(self, user: str) -> list[DeviceRow]:
        found = await self._store.find(DEVICES, Span((user,), after=""), limit=DEVICES_READ_MAX)
        return list(found)


def address_digest(provider: str, address: str) -> str:
    """What an address is found by; it cannot be read from it."""
    text = f"{provider} {address}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _kind(params: RegisterDevice) -> AddressKind:
    """Raises CallRefused (422) for what no provider would take."""
    kinds = KINDS[params.provider]
    kind = kinds[0] if params.kind is UNSET else params.kind
    if kind not in kinds:
        raise invalid("kind")
    if not _is_address(params, kind):
        raise invalid("address")
    if params.provider == "webpush":
        if not _is_key(params.p256dh, _P256_POINT_BYTES, _UNCOMPRESSED):
            raise invalid("p256dh")
        if not _is_key(params.auth, _AUTH_BYTES):
            raise invalid("auth")
    if not _APP.fullmatch(params.app):
        raise invalid("app")
    if params.locale and not is_locale(params.locale):
        raise invalid("locale")
    if params.time_zone and not is_time_zone(params.time_zone):
        raise invalid("time_zone")
    return kind


def _is_address(params: RegisterDevice, kind: AddressKind) -> bool:
    address = params.address
    if kind == "subscription":
        # Whether it may be called is decided when it is (`workers.providers.endpoint_guard`).
        try:
            parts = urlsplit(address)
            is_plain = bool(parts.hostname) and "@" not in parts.netloc and not parts.fragment
        except ValueError:
            return False
        return address.isascii() and parts.scheme in ("https", "http") and is_plain
    if kind == "fid":
        return _INSTALLATION.fullmatch(address) is not None
    pattern = _HEX if params.provider == "apns" else _TOKEN
    return pattern.fullmatch(address) is not None


def _is_key(text: str, size: int, begins: bytes = b"") -> bool:
    bare = text.rstrip("=")
    try:
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(raw) == size and raw.startswith(begins)


def _age(row: DeviceRow) -> tuple[int, str, str]:
    """Orders registrations, the oldest first."""
    return row.registered_at, row.user, row.device


def _gone(row: DeviceRow) -> Removal:
    """Forget a registration, unless it was made anew since it was read."""
    return Removal(
        DEVICES,
        DEVICES.key_of(row),
        equals={"digest": row.digest, "registered_at": row.registered_at},
    )


def _shown(row: DeviceRow) -> RegisteredDevice:
    return RegisteredDevice(
        row.device,
        row.provider,
        row.kind,
        row.registered_at,
        row.app,
        row.environment,
        row.locale,
        row.time_zone,
        row.parked,
    )
