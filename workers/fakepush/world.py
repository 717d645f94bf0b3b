"""Everything that the fake services share: who exists, what is scripted, what has happened."""

from collections.abc import Mapping
from typing import Final

import msgspec

from workers.fakepush.access_tokens import AccessTokens
from workers.fakepush.credentials import TOPIC, ApnsKey, ServiceAccount
from workers.fakepush.devices import Device, DeviceAsked, Devices
from workers.fakepush.journal import Journal
from workers.fakepush.outcomes import OK, Outcome, Scripted, Scripts, Service, What
from workers.fakepush.phones import Phones, Push
from workers.fakepush.provider_tokens import ProviderTokens
from workers.fakepush.rules import Rules, WorldClock

KEPT_MAX: Final = 20_000
"""Pushes that are kept, and requests, unless somebody says otherwise."""


class World:
    """The state behind the services. For the event loop's thread alone; nothing in it waits.

    `token_uri` is where the token endpoint is, and `origin` that of Web Push's subscriptions.
    """

    def __init__(self, *, pushes_max: int = KEPT_MAX, requests_max: int = KEPT_MAX) -> None:
        self._pushes_max = pushes_max
        self._requests_max = requests_max
        self.rules = Rules()
        self.clock = WorldClock()
        self.scripts = Scripts()
        self.devices = Devices(app=TOPIC)
        self.phones = Phones(pushes_max)
        self.journal = Journal(requests_max)
        self._token_uri = ""
        self._account: ServiceAccount | None = None
        self._access_tokens: AccessTokens | None = None
        self.apns_key = ApnsKey()
        self.provider_tokens = ProviderTokens(self.apns_key)

    def __repr__(self) -> str:
        return f"<World {self.devices!r} {self.journal!r}>"

    def place(self, *, token_uri: str, origin: str) -> None:
        """Say where it is found, before anybody asks for credentials or devices."""
        self._token_uri = token_uri
        self.devices.origin = origin

    def rule(self, changed: Mapping[str, object]) -> Rules:
        """Change some of the rules. Raises msgspec.ValidationError."""
        self.rules = msgspec.convert(msgspec.structs.asdict(self.rules) | dict(changed), Rules)
        self.clock.skew_s = self.rules.skew_s
        return self.rules

    def make_device(
        self,
        provider: Service,
        *,
        name: str = "",
        environment: str = "production",
        app: str = "",
        kind: str = "token",
    ) -> Device:
        """A device, as `DeviceAsked` says. Raises ValueError and OverflowError."""
        asked = {"provider": provider, "name": name, "environment": environment}
        return self.devices.make(msgspec.convert(asked | {"app": app, "kind": kind}, DeviceAsked))

    def script(
        self,
        target: Device | Scripted,
        what: What,
        *,
        times: int = 0,
        retry_after_s: int | None = None,
        since_ms: int = 0,
        delay_s: float = 1.0,
    ) -> None:
        """Say what becomes of the next requests for a device, or of all of a service.

        The rest is as in `Outcome`. Raises OverflowError where too much is scripted.
        """
        service: Scripted = target.provider if isinstance(target, Device) else target
        id = target.id if isinstance(target, Device) else ""
        outcome = Outcome(
            what=what,
            times=times,
            retry_after_s=retry_after_s,
            since_ms=since_ms,
            delay_s=delay_s,
        )
        self.scripts.add(service, id, outcome)

    def outcome(self, service: Service, device: Device | None) -> Outcome:
        """What becomes of one more request that is otherwise in order."""
        scripted = self.scripts.take(service, "" if device is None else device.id)
        if scripted is not None and (scripted.what != "ok" or device is None):
            return scripted
        named = None if device is None else device.outcome
        return scripted or named or OK

    def deliver(self, device: Device, push: Push) -> None:
        """Let a push arrive."""
        self.phones.deliver(device.phone, push, self.clock.now_ms())

    @property
    def account(self) -> ServiceAccount:
        """The service account; made when it is first needed, which takes about 0.1 s."""
        return self._account or self.new_service_account()

    @property
    def access_tokens(self) -> AccessTokens:
        """Those of the account."""
        if self._access_tokens is None:
            self._access_tokens = AccessTokens(self.account)
        return self._access_tokens

    def new_service_account(self) -> ServiceAccount:
        """Make another in place of the one that was: what it signed is refused from now on."""
        self._account = ServiceAccount(self._token_uri)
        self._access_tokens = None
        return self._account

    def new_apns_key(self) -> ApnsKey:
        """The same for APNs."""
        self.apns_key = ApnsKey()
        self.provider_tokens = ProviderTokens(self.apns_key)
        return self.apns_key

    def reset(self) -> None:
        """Forget devices, scripts, rules, pushes and requests; credentials stay."""
        self.rule(msgspec.structs.asdict(Rules()))
        # What was counted by a clock that is set back now would count for too long.
        self.provider_tokens = ProviderTokens(self.apns_key)
        self.scripts.clear()
        self.devices.clear()
        self.phones = Phones(self._pushes_max)
        self.journal = Journal(self._requests_max)
