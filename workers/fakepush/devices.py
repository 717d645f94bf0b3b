"""Devices: addresses that the fake services know, with the phone behind each."""

import secrets
from typing import Annotated, Final, Literal

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from workers.fakepush.base64url import encode
from workers.fakepush.outcomes import Outcome, Service, outcome_named
from workers.fakepush.phones import Phone

DEVICES_MAX: Final = 200_000
"""Devices that exist at once; more are refused."""

NAME_MAX: Final = 64

_APNS_BYTES: Final = 32

_UNCOMPRESSED: Final = serialization.PublicFormat.UncompressedPoint


class DeviceAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device to be made.

    `name` becomes part of the address, and one that begins with an outcome and a dash
    ("dead-bob") has that outcome. `environment` is of APNs; `app` is the bundle id, "" for the one
    of the credentials. `kind` is of FCM: a registration token or an installation id.
    """

    provider: Service
    name: Annotated[str, msgspec.Meta(max_length=NAME_MAX, pattern=r"^[A-Za-z0-9_-]*$")] = ""
    environment: Literal["production", "sandbox"] = "production"
    app: str = ""
    kind: Literal["token", "fid"] = "token"
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1


class Device:
    """One address. `outcome` is what its name asks for."""

    __slots__ = (
        "address",
        "app",
        "auth",
        "environment",
        "id",
        "kind",
        "outcome",
        "phone",
        "private",
        "provider",
        "public",
    )

    def __init__(self, asked: DeviceAsked, id: str, address: str, app: str) -> None:
        self.id = id
        self.provider = asked.provider
        self.kind = "subscription" if asked.provider == "webpush" else asked.kind
        self.address = address
        self.environment = asked.environment if asked.provider == "apns" else ""
        self.app = app
        self.outcome: Outcome | None = outcome_named(asked.name)
        self.phone = Phone()
        self.private: ec.EllipticCurvePrivateKey | None = None
        self.public = b""
        self.auth = b""
        if asked.provider == "webpush":
            self.private = ec.generate_private_key(ec.SECP256R1())
            self.public = self.private.public_key().public_bytes(
                serialization.Encoding.X962, _UNCOMPRESSED
            )
            self.auth = secrets.token_bytes(16)

    def __repr__(self) -> str:
        return f"<Device {self.provider} {self.id}>"

    def told(self) -> dict[str, str]:
        """What an app would register with, and the id by which the inspect API knows it."""
        return {
            "id": self.id,
            "provider": self.provider,
            "kind": self.kind,
            "address": self.address,
            "environment": self.environment,
            "app": self.app,
            "p256dh": encode(self.public),
            "auth": encode(self.auth),
        }


class Devices:
    """All of them. `app` is the bundle id of who does not say; `origin` is Web Push's."""

    def __init__(self, *, app: str) -> None:
        self._app = app
        self.origin = ""
        self.by_id: dict[str, Device] = {}
        self._by_address: dict[tuple[Service, str], Device] = {}

    def __repr__(self) -> str:
        return f"<Devices {len(self.by_id)}>"

    def make(self, asked: DeviceAsked) -> Device:
        """Make one. Raises ValueError where the name is taken, OverflowError where it is full."""
        if len(self.by_id) >= DEVICES_MAX:
            raise OverflowError("there are too many devices")
        id = asked.name or secrets.token_hex(8)
        if id in self.by_id:
            raise ValueError("there is a device of this name")
        key = self._key(asked, id)
        address = f"{self.origin}/push/{key}" if asked.provider == "webpush" else key
        app = (asked.app or self._app) if asked.provider == "apns" else ""
        device = Device(asked, id, address, app)
        self.by_id[id] = device
        self._by_address[(asked.provider, key)] = device
        return device

    def find(self, service: Service, key: str) -> Device | None:
        """The device of a token, an installation id, or the last part of a subscription's URL.

        A token that is made of an outcome's name needs no making: "dead-1" for FCM, and for APNs
        the same in hex, filled up with zeros if you like.
        """
        device = self._by_address.get((service, key))
        if device is None and service != "webpush":
            name = key if service == "fcm" else _from_hex(key)
            if outcome_named(name) is not None:
                found = self.by_id.get(name) or self._made_of_name(service, name)
                return found if found is not None and found.provider == service else None
        return device

    def clear(self) -> None:
        """Forget all of them."""
        self.by_id.clear()
        self._by_address.clear()

    def _made_of_name(self, service: Service, name: str) -> Device | None:
        try:
            return self.make(
                msgspec.convert({"provider": service, "name": name}, DeviceAsked, strict=True)
            )
        except (msgspec.ValidationError, OverflowError):
            return None

    @staticmethod
    def _key(asked: DeviceAsked, id: str) -> str:
        if asked.provider == "apns":
            # As long as the real ones are, which a sender may insist on.
            name = asked.name.encode() or secrets.token_bytes(_APNS_BYTES)
            return name.ljust(_APNS_BYTES, b"\0").hex()
        if asked.provider == "fcm" and not asked.name:
            # As long as the real ones are.
            return encode(secrets.token_bytes(16)) if asked.kind == "fid" else _long_token()
        return id


def _long_token() -> str:
    return f"{encode(secrets.token_bytes(16))}:APA91b{encode(secrets.token_bytes(100))}"


def _from_hex(key: str) -> str:
    try:
        return bytes.fromhex(key).rstrip(b"\0").decode("ascii")
    except ValueError:
        return ""
