"""The inspect API: plain HTTP, JSON in and out, by which a test makes the world and looks at it.

GET    /                     where everything is, and settings of a hub that sends here
GET    /settings.toml        the same settings as TOML
GET    /credentials          service account and APNs key
POST   /credentials          {provider}: make another; what was before is refused from now on
DELETE /access_tokens        let what the token endpoint has given be worth nothing
POST   /devices              {provider, name?, environment?, app?, kind?, count?}: make devices
POST   /outcomes             {device or service, what, times?, retry_after_s?, since_ms?, delay_s?}:
                             what becomes of requests; "oauth" is the token endpoint
DELETE /outcomes             forget all scripts
POST   /go_away              {environment}: GOAWAY on every connection of an APNs host
GET    /phones               how much each has, and what is visible
GET    /phones/{id}          what arrived, what is visible, the badge
GET    /phones/{id}/wait     ?count=&timeout_s=: the same, once that many have arrived
POST   /phones/{id}/swipe    {collapse?}: the user takes one away, or all
GET    /pushes/wait          ?count=&timeout_s=: until that many have arrived on all phones
GET    /requests             ?limit=: the last requests that the services had
GET    /requests/wait        ?count=&timeout_s=: the same, once there were that many
GET    /rules                the limits, and the clock
PATCH  /rules                {skew_s?, apns_streams_max?, ...}: change some
POST   /reset                forget all but the credentials
GET    /help                 this
"""

from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import msgspec
from aiohttp import web

from workers.fakepush.devices import Device, DeviceAsked
from workers.fakepush.outcomes import Outcome, Scripted

if TYPE_CHECKING:
    from workers.fakepush.server import FakePush

WAIT_MAX_S: Final = 60.0
WAIT_S: Final = 10.0
LIMIT: Final = 100
LIMIT_MAX: Final = 20_000

T = TypeVar("T")


class OutcomeAsked(Outcome, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An outcome, and whose: a device's, by its id or its address, or a service's."""

    device: str = ""
    service: Scripted | None = None


class CredentialsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose credentials are to be made anew."""

    provider: Literal["fcm", "apns"]


class GoAwayAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which APNs host is to end its connections."""

    environment: Literal["production", "sandbox"] = "production"


class SwipeAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the user takes away: one notification by its collapse id, or all."""

    collapse: str | None = None


class Inspect:
    """Serves it for one fake world."""

    def __init__(self, fake: "FakePush") -> None:
        self._fake = fake
        self._world = fake.world

    def routes(self) -> list[web.RouteDef]:
        """What aiohttp is to serve."""
        return [
            web.get("/", self._overview),
            web.get("/help", self._help),
            web.get("/settings.toml", self._toml),
            web.get("/credentials", self._credentials),
            web.post("/credentials", self._new_credentials),
            web.delete("/access_tokens", self._revoke),
            web.post("/devices", self._make_devices),
            web.post("/outcomes", self._script),
            web.delete("/outcomes", self._unscript),
            web.post("/go_away", self._go_away),
            web.get("/phones", self._phones),
            web.get("/phones/{id}", self._phone),
            web.get("/phones/{id}/wait", self._wait_for_phone),
            web.post("/phones/{id}/swipe", self._swipe),
            web.get("/pushes/wait", self._wait_for_pushes),
            web.get("/requests", self._requests),
            web.get("/requests/wait", self._wait_for_requests),
            web.get("/rules", self._rules),
            web.patch("/rules", self._rule),
            web.post("/reset", self._reset),
        ]

    async def _overview(self, request: web.Request) -> web.Response:
        return _json({"inspect_url": self._fake.inspect_url, "settings": self._fake.settings()})

    async def _help(self, request: web.Request) -> web.Response:
        return web.Response(text=__doc__)

    async def _toml(self, request: web.Request) -> web.Response:
        return web.Response(text=self._fake.settings_toml(), content_type="application/toml")

    async def _credentials(self, request: web.Request) -> web.Response:
        world = self._world
        return _json({"fcm": world.account.told(), "apns": world.apns_key.told()})

    async def _new_credentials(self, request: web.Request) -> web.Response:
        asked = await _read(request, CredentialsAsked)
        if asked.provider == "fcm":
            self._world.new_service_account()
        else:
            self._world.new_apns_key()
        self._fake.write_credentials()
        return await self._credentials(request)

    async def _revoke(self, request: web.Request) -> web.Response:
        self._world.access_tokens.revoke()
        return _json({})

    async def _make_devices(self, request: web.Request) -> web.Response:
        asked = await _read(request, DeviceAsked)
        if asked.name and asked.count > 1:
            raise _bad("a name is for one device")
        try:
            made = [self._world.devices.make(asked).told() for _ in range(asked.count)]
        except (ValueError, OverflowError) as error:
            raise _bad(str(error)) from None
        return _json({"devices": made})

    async def _script(self, request: web.Request) -> web.Response:
        asked = await _read(request, OutcomeAsked)
        if bool(asked.device) == bool(asked.service):
            raise _bad("expected either a device or a service")
        outcome = Outcome(**{field: getattr(asked, field) for field in Outcome.__struct_fields__})
        service: Scripted | None = asked.service
        id = ""
        if asked.device:
            device = self._device(asked.device)
            service, id = device.provider, device.id
        assert service is not None  # one of both is given
        try:
            self._world.scripts.add(service, id, outcome)
        except OverflowError as error:
            raise _bad(str(error)) from None
        return _json({})

    async def _unscript(self, request: web.Request) -> web.Response:
        self._world.scripts.clear()
        return _json({})

    async def _go_away(self, request: web.Request) -> web.Response:
        self._fake.go_away((await _read(request, GoAwayAsked)).environment)
        return _json({})

    async def _phones(self, request: web.Request) -> web.Response:
        limit = _limit(request)
        found = list(self._world.devices.by_id.values())[-limit:]
        return _json({"phones": [_summary(device) for device in found]})

    async def _phone(self, request: web.Request) -> web.Response:
        return _json(_view(self._device(request.match_info["id"]), _limit(request)))

    async def _wait_for_phone(self, request: web.Request) -> web.Response:
        device = self._device(request.match_info["id"])
        count, timeout_s = _awaited(request)
        reached = await device.phone.count.wait(count, timeout_s=timeout_s)
        return _json({"reached": reached, **_view(device, _limit(request))})

    async def _swipe(self, request: web.Request) -> web.Response:
        device = self._device(request.match_info["id"])
        device.phone.swipe((await _read(request, SwipeAsked)).collapse)
        return _json(_view(device, _limit(request)))

    async def _wait_for_pushes(self, request: web.Request) -> web.Response:
        count, timeout_s = _awaited(request)
        arrived = self._world.phones.count
        reached = await arrived.wait(count, timeout_s=timeout_s)
        return _json({"reached": reached, "count": arrived.value})

    async def _requests(self, request: web.Request) -> web.Response:
        return _json(self._logged(_limit(request)))

    async def _wait_for_requests(self, request: web.Request) -> web.Response:
        count, timeout_s = _awaited(request)
        reached = await self._world.journal.count.wait(count, timeout_s=timeout_s)
        return _json({"reached": reached, **self._logged(_limit(request))})

    async def _rules(self, request: web.Request) -> web.Response:
        return _json(self._world.rules)

    async def _rule(self, request: web.Request) -> web.Response:
        try:
            return _json(self._world.rule(await _read(request, dict[str, Any])))
        except msgspec.ValidationError as error:
            raise _bad(str(error)) from None

    async def _reset(self, request: web.Request) -> web.Response:
        self._world.reset()
        return _json({})

    def _device(self, name: str) -> Device:
        """By its id, or by its address."""
        devices = self._world.devices
        found = devices.by_id.get(name)
        for service in ("fcm", "apns", "webpush"):
            found = found or devices.find(service, name.rpartition("/push/")[2])
        if found is None:
            raise web.HTTPNotFound(
                text='{"error":"no such device"}', content_type="application/json"
            )
        return found

    def _logged(self, limit: int) -> dict[str, Any]:
        journal = self._world.journal
        return {"count": journal.count.value, "requests": list(journal.kept)[-limit:]}


def _summary(device: Device) -> dict[str, Any]:
    phone = device.phone
    visible = list(phone.visible.values())
    return {"id": device.id, "provider": device.provider, "count": phone.count.value} | {
        "badge": phone.badge,
        "cleared": phone.cleared,
        "visible": visible,
    }


def _view(device: Device, limit: int) -> dict[str, Any]:
    return {**_summary(device), "received": list(device.phone.received)[-limit:]}


async def _read(request: web.Request, kind: type[T]) -> T:
    raw = await request.read()
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad(str(error)) from None


def _limit(request: web.Request) -> int:
    return int(_number(request, "limit", LIMIT, LIMIT_MAX))


def _awaited(request: web.Request) -> tuple[int, float]:
    """For how many to wait, and how long in seconds."""
    count = int(_number(request, "count", 1, 1_000_000_000))
    return count, _number(request, "timeout_s", WAIT_S, WAIT_MAX_S)


def _number(request: web.Request, name: str, default: float, most: float) -> float:
    try:
        value = float(request.query.get(name, default))
    except ValueError:
        raise _bad(f"{name}: expected a number") from None
    if not 0 < value <= most:
        raise _bad(f"{name}: expected more than 0, at most {most:g}")
    return value


def _bad(why: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(
        text=msgspec.json.encode({"error": why}).decode(), content_type="application/json"
    )


def _json(told: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(told), content_type="application/json")
