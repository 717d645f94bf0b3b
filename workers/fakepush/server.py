"""`FakePush`: the fake services, each at a port of its own, and the inspect API beside them."""

import asyncio
import json
import shutil
import socket
import ssl
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple, Self

from aiohttp import web

from workers.fakepush.apns import ApnsHost
from workers.fakepush.apns_connection import ApnsConnection
from workers.fakepush.certificates import CA_NAME, server_context, write_certificates
from workers.fakepush.credentials import TOPIC, make_vapid_key
from workers.fakepush.google import TOKEN_PATH, Google
from workers.fakepush.inspecting import Inspect
from workers.fakepush.webpush import WebPush
from workers.fakepush.world import KEPT_MAX, World

BODY_MAX_BYTES: Final = 65_536
"""Of a request to an HTTP service; more is answered with 413."""

BACKLOG: Final = 1_024
CLOSE_TIMEOUT_S: Final = 0.5
"""How long requests that are open at the end may take; then they are cancelled."""

_ACCOUNT: Final = "fakepush-account.json"
_KEY: Final = "fakepush-apns.p8"

VAPID_SUBJECT: Final = "mailto:fakepush@example.com"


class Ports(NamedTuple):
    """Where each service listens; 0 is any free port."""

    inspect: int = 0
    fcm: int = 0
    webpush: int = 0
    apns_production: int = 0
    apns_sandbox: int = 0

    @classmethod
    def following(cls, first: int) -> "Ports":
        """Five ports one after the other, or any free ones where `first` is 0."""
        return cls(*range(first, first + 5)) if first else cls()


class FakePush:
    """The fake world, from `start` to `close`, or as an async context manager.

    Its files, which all begin with "fakepush-", go to `directory`, which must exist; without one
    they are in a temporary folder that `close` removes. `pushes_max` and `requests_max` are what is
    kept to be inspected. With `webpush_tls` subscriptions are https, by the authority in `ca_file`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        ports: Ports = Ports(),  # noqa: B008 (immutable)
        directory: Path | None = None,
        webpush_tls: bool = False,
        pushes_max: int = KEPT_MAX,
        requests_max: int = KEPT_MAX,
    ) -> None:
        self._host = host
        self._asked = ports
        self._given = directory
        self._webpush_tls = webpush_tls
        self._stack = AsyncExitStack()
        self._open: dict[str, set[ApnsConnection]] = {"production": set(), "sandbox": set()}
        self.world = World(pushes_max=pushes_max, requests_max=requests_max)
        """Devices, scripts, phones and the log, for who is in the same process."""
        self.ports = ports
        """Where it listens, once started."""
        self.directory = Path()
        """Where the files are, once started."""
        self.vapid_private_key = make_vapid_key()
        """A key for Web Push, for who has none; any other is as good."""

    def __repr__(self) -> str:
        return f"<FakePush {self.ports!r}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen. Raises OSError where a port is taken; then nothing is left open."""
        async with AsyncExitStack() as stack:
            sockets = [self._bind(port, stack) for port in self._asked]
            self.ports = Ports(*(bound.getsockname()[1] for bound in sockets))
            self.directory = self._folder(stack)
            _, server = write_certificates(self.directory, self._host)
            (self.directory / _ACCOUNT).unlink(missing_ok=True)
            _write(self.directory / _KEY, self.world.apns_key.pem())
            self.world.place(token_uri=self.token_url, origin=self.webpush_origin)
            tls = server_context(server, "http/1.1") if self._webpush_tls else None
            inspecting = Inspect(self).routes()
            await self._serve(sockets[0], inspecting, stack)
            await self._serve(sockets[1], Google(self.world).routes(), stack)
            webpush = WebPush(self.world, self.webpush_origin).routes()
            await self._serve(sockets[2], webpush, stack, tls)
            http2 = server_context(server, "h2")
            await self._serve_apns(sockets[3], "production", stack, http2)
            await self._serve_apns(sockets[4], "sandbox", stack, http2)
            self._stack = stack.pop_all()

    async def close(self) -> None:
        """Stop listening, end every connection, remove a temporary folder. Idempotent."""
        await self._stack.aclose()

    def write_credentials(self) -> None:
        """Write the files anew, after the world has made other credentials."""
        _write(self.directory / _ACCOUNT, json.dumps(dict(self.world.account.told()), indent=2))
        _write(self.directory / _KEY, self.world.apns_key.pem())

    def go_away(self, environment: str) -> None:
        """Have an APNs host send GOAWAY to whoever is connected; what is open is finished."""
        for connection in list(self._open[environment]):
            connection.go_away()

    def hang_up(self, environment: str) -> None:
        """Have an APNs host end its connections at once."""
        for connection in list(self._open[environment]):
            connection.abort()

    # Where things are.

    @property
    def inspect_url(self) -> str:
        """The inspect API, without a slash at the end, as all of these."""
        return self._url("http", self.ports.inspect)

    @property
    def fcm_url(self) -> str:
        """In place of https://fcm.googleapis.com."""
        return self._url("http", self.ports.fcm)

    @property
    def token_url(self) -> str:
        """In place of https://oauth2.googleapis.com/token."""
        return f"{self.fcm_url}{TOKEN_PATH}"

    @property
    def webpush_origin(self) -> str:
        """The origin of all subscriptions."""
        return self._url("https" if self._webpush_tls else "http", self.ports.webpush)

    @property
    def apns_production_url(self) -> str:
        """In place of https://api.push.apple.com."""
        return self._url("https", self.ports.apns_production)

    @property
    def apns_sandbox_url(self) -> str:
        """In place of https://api.sandbox.push.apple.com."""
        return self._url("https", self.ports.apns_sandbox)

    @property
    def ca_file(self) -> Path:
        """The authority that has signed the certificate, PEM."""
        return self.directory / CA_NAME

    @property
    def credentials_file(self) -> Path:
        """The service account for FCM, JSON; written when it is first asked for."""
        path = self.directory / _ACCOUNT
        if not path.exists():
            self.write_credentials()
        return path

    @property
    def key_file(self) -> Path:
        """The signing key for APNs, .p8."""
        return self.directory / _KEY

    def settings(self) -> dict[str, dict[str, object]]:
        """Settings of a hub that sends to this world, by section."""
        key = self.world.apns_key
        return {
            # Shorter than the defaults: in a test somebody waits for it.
            "push": {"ack_wait": "1s", "retry_min": "1s", "pause": "1s"},
            "fcm": {
                "base_url": self.fcm_url,
                "token_url": self.token_url,
                "credentials_file": str(self.credentials_file),
            },
            "apns": {
                "production_url": self.apns_production_url,
                "sandbox_url": self.apns_sandbox_url,
                "ca_file": str(self.ca_file),
                "key_file": str(self.key_file),
                "key_id": key.key_id,
                "team_id": key.team_id,
                "topic": TOPIC,
            },
            "webpush": {
                "vapid_private_key": self.vapid_private_key,
                "vapid_subject": VAPID_SUBJECT,
                "origins": [self.webpush_origin],
            },
        }

    def settings_toml(self) -> str:
        """The same as TOML."""
        lines = []
        for section, values in self.settings().items():
            lines.append(f"[{section}]")
            # What JSON makes of texts and lists of texts is TOML, too.
            lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
            lines.append("")
        return "\n".join(lines)

    # Starting.

    def _url(self, scheme: str, port: int) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{port}"

    def _bind(self, port: int, stack: AsyncExitStack) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        bound = socket.create_server((self._host, port), family=family, backlog=BACKLOG)
        bound.setblocking(False)
        stack.callback(bound.close)
        return bound

    def _folder(self, stack: AsyncExitStack) -> Path:
        if self._given is not None:
            return self._given
        made = tempfile.mkdtemp(prefix="fakepush-")
        stack.callback(shutil.rmtree, made, ignore_errors=True)
        return Path(made)

    async def _serve(
        self,
        bound: socket.socket,
        routes: list[web.RouteDef],
        stack: AsyncExitStack,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        application = web.Application(client_max_size=BODY_MAX_BYTES)
        application.add_routes(routes)
        runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=CLOSE_TIMEOUT_S,
        )
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.SockSite(runner, bound, ssl_context=tls, backlog=BACKLOG).start()

    async def _serve_apns(
        self, bound: socket.socket, environment: str, stack: AsyncExitStack, tls: ssl.SSLContext
    ) -> None:
        host = ApnsHost(self.world, environment)
        open = self._open[environment]
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: ApnsConnection(host, open), sock=bound, ssl=tls, backlog=BACKLOG
        )

        async def end() -> None:
            server.close()
            for connection in list(open):
                connection.abort()
            await server.wait_closed()

        stack.push_async_callback(end)


def _write(path: Path, secret: str) -> None:
    path.touch(mode=0o600)
    path.write_text(secret)
