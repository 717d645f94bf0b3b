"""What chat needs around it in a process: the app's hook, and the way over HTTP."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from prometheus_client.core import Metric

from realtime.chat.devices import Here
from realtime.chat.memberships import KeptMemberships
from realtime.chat.others import Others
from realtime.chat.own_retention import narrowed
from realtime.chat.ports import Stage
from realtime.chat.service import ChatService
from realtime.chat.walking import LawStore
from realtime.errors import SettingsError
from realtime.hub.bearers import Bearers
from realtime.hub.chatting import ChatSetup, IsMine
from realtime.hub.clock import Clock
from realtime.hub.hub import Hub
from realtime.push.server_key import application_server_key
from realtime.push.waking import Wake
from realtime.server.chat_metrics import ChatMetrics
from realtime.server.door_rules import DoorRules
from realtime.server.hook import HttpHook
from realtime.server.http import Routes
from realtime.server.rest import RestRoutes
from realtime.settings.schema import Settings

ENVELOPE_MAX_BYTES: Final = 64 * 1024
"""What a request's body may have beside a message of the longest."""


class ChatParts:
    """Chat of one process, if a namespace has any: `setup` is what its hub is given, else None.

    Raises SettingsError where a key is none.
    """

    def __init__(self, settings: Settings, store: LawStore, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._service: ChatService | None = None
        self._hook = _hook(settings, clock)
        self._server_key = _server_key(settings)
        self._memberships = KeptMemberships(store, clock)
        self.wake: Wake | None = None
        """Called when phones may have to be told of something; to be set before the hub is made."""
        has_chat = any(options.chat for options in settings.namespaces.values())
        self.setup = (
            ChatSetup(self._memberships, self._make, partial(narrowed, store)) if has_chat else None
        )

    def _make(self, stage: Stage, others: Others | None, is_mine: IsMine) -> ChatService:
        settings = self._settings
        self._service = ChatService(
            store=self._store,
            stage=stage,
            memberships=self._memberships,
            clock=self._clock,
            settings=settings.chat,
            namespaces=settings.namespaces,
            data_max_bytes=settings.client.message_max_bytes,
            hook=self._hook,
            others=others,
            may=is_mine,
            push=settings.push,
            server_key=self._server_key,
            wake=self.wake,
        )
        return self._service

    async def here(self, users: Collection[str]) -> Mapping[str, Here]:
        """What these users are, but for who is offline. Raises StoreError and TimeoutError."""
        return {} if self._service is None else await self._service.here(users)

    def routes(self, hub: Hub, rules: DoorRules) -> Sequence[Routes]:
        """REST, where there is chat. After the hub was made."""
        if self._service is None:
            return ()
        bearers = Bearers(hub.identities, revocations=hub.revocations, clock=self._clock)
        errors = hub.statistics.errors

        def count(code: int) -> None:
            errors[code] += 1

        body_max_bytes = self._settings.client.message_max_bytes + ENVELOPE_MAX_BYTES
        return (
            RestRoutes(
                self._service.calls,
                bearers.caller,
                rules,
                body_max_bytes=body_max_bytes,
                version=hub.version,
                errors=count,
            ),
        )

    def metrics(self) -> Iterable[Metric]:
        """What chat has counted until now."""
        return () if self._service is None else ChatMetrics(self._service, self._hook).collect()

    async def close(self) -> None:
        """Let go of what it holds outside. Idempotent."""
        if self._hook is not None:
            await self._hook.close()


def _server_key(settings: Settings) -> str:
    """What browsers subscribe with, "" without Web Push. Raises SettingsError."""
    key = settings.webpush.vapid_private_key
    try:
        return "" if key is None else application_server_key(key.reveal())
    except ValueError as error:
        raise SettingsError([f"webpush.vapid_private_key: {error}"]) from None


def _hook(settings: Settings, clock: Clock) -> HttpHook | None:
    chat = settings.chat
    if chat.hook_url is None:
        return None
    secret = chat.hook_secret.reveal() if chat.hook_secret is not None else ""
    return HttpHook(
        chat.hook_url,
        secret=secret.encode(),
        timeout_s=chat.hook_timeout_s,
        fail=chat.hook_fail,
        data_max_bytes=settings.client.message_max_bytes,
        now=clock.monotonic,
    )
