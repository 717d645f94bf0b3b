"""How the hub's use cases are put together, and from what."""

import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

from realtime.auth.revocations import Revocations
from realtime.brokers.base import Broker
from realtime.channels.fanout import Fanout
from realtime.channels.live import Subscription
from realtime.channels.rules import RuleBook
from realtime.chat.others import Others
from realtime.cluster.retention import RetentionAfter, unchanging
from realtime.hub.access import Access
from realtime.hub.attendance import Attendance
from realtime.hub.audiences import Audiences
from realtime.hub.calling import Calling
from realtime.hub.catching_up import CatchingUp
from realtime.hub.chatting import Chat, ChatSetup, IsMine
from realtime.hub.client import Client, ClientRegistry
from realtime.hub.clock import Clock
from realtime.hub.commits import Commits
from realtime.hub.connecting import Connecting, ConnectRules
from realtime.hub.connections import Connections
from realtime.hub.delivery import Delivery
from realtime.hub.devices import Devices
from realtime.hub.dispatch import Dispatch
from realtime.hub.emulation import Emulation
from realtime.hub.expulsions import Expulsions
from realtime.hub.hints import Hints
from realtime.hub.identities import Credentials, Identities
from realtime.hub.joining import Joining
from realtime.hub.log_reader import LogReader
from realtime.hub.orders import Orders
from realtime.hub.peers import Peers
from realtime.hub.proof import Proofs
from realtime.hub.publishing import Publishing
from realtime.hub.rate_limits import RateLimits
from realtime.hub.reading import Reading
from realtime.hub.repeats import Repeats
from realtime.hub.responder import Responder
from realtime.hub.retaining import Retaining
from realtime.hub.revoking import Revoking
from realtime.hub.server_side import ServerSide
from realtime.hub.stage import HubStage
from realtime.hub.statistics import Statistics
from realtime.hub.subscribing import Subscribing
from realtime.hub.unserved import refuse_send
from realtime.protocol.commands import (
    ConnectRequest,
    HistoryRequest,
    PresenceRequest,
    PresenceStatsRequest,
    PublishRequest,
    RefreshRequest,
    RpcRequest,
    SendRequest,
    SubRefreshRequest,
    SubscribeRequest,
    UnsubscribeRequest,
)
from realtime.settings.schema import Settings
from realtime.stores.base import HeadHints, LogStore, RevocationStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a node gives its use cases: contracts, shared state, and ways back to the node.

    `heads` is the store's ear for other nodes' entries, where several write to it. `chat` is None
    where no namespace has any.
    `spawn` hosts a coroutine in a task that has a parent. `address_of` answers what another
    hub is called on the bus, by the id of its lease, None for one that is not alive; `look` has the
    leases read anew. `rescheduled`: a client's next deadline may have moved. `unconnected`: its
    connect was refused. `insufficient`: a subscription lost its continuity.
    """

    node: str
    settings: Settings
    version: str
    clock: Clock
    store: LogStore
    log: RevocationStore
    heads: HeadHints | None
    repair_grace_s: float
    broker: Broker
    chat: ChatSetup | None
    credentials: Credentials
    revocations: Revocations
    rules: RuleBook
    clients: ClientRegistry
    statistics: Statistics
    fanout: Fanout
    responder: Responder
    spawn: Callable[[Coroutine[object, object, None]], object]
    rescheduled: Callable[[Client], None]
    unconnected: Callable[[Client], None]
    insufficient: Callable[[Subscription], None]
    address_of: Callable[[str], str | None]
    look: Callable[[], Awaitable[None]]


def _retention(around: Surroundings) -> RetentionAfter:
    if around.chat is None:
        return unchanging(around.rules.retention)
    return around.chat.narrowed(around.rules.retention)


class UseCases:
    """One object of each, made once per node; every one is told only what it needs."""

    def __init__(self, around: Surroundings) -> None:
        self.access = Access(
            insecure=around.settings.auth.insecure,
            revocations=around.revocations,
            clock=around.clock,
            memberships=around.chat.memberships if around.chat is not None else None,
        )
        self.identities = Identities(
            around.credentials,
            revocations=around.revocations,
            clock=around.clock,
            spawn=around.spawn,
        )
        self.commits = Commits(
            around.store,
            around.statistics,
            late=lambda entry, outcome: self.publishing.stored(entry, outcome),
        )
        self.delivery = self._make_delivery(around)
        self.proofs = self._make_proofs(around)
        self.attendance = Attendance(around.node, lambda: self.delivery)
        reader = LogReader(around.store, now_ms=around.clock.wall_ms, spawn=around.spawn)
        memberships = around.chat.memberships if around.chat is not None else None
        retaining = Retaining(memberships)
        self.retention = _retention(around)
        self.joining = self._make_joining(around, reader, retaining)
        self.reading = self._make_reading(around, reader, retaining)
        self.peers = Peers(
            around.node,
            epoch=around.store.epoch,
            broker=around.broker,
            statistics=around.statistics,
            spawn=around.spawn,
        )
        self.publishing = Publishing(
            around.node,
            rules=around.rules,
            access=self.access,
            commits=self.commits,
            delivery=self.delivery,
            repeated=Repeats(delivery=self.delivery, peers=self.peers).seen,
            responder=around.responder,
            statistics=around.statistics,
            clock=around.clock,
        )
        self.calling = Calling(access=self.access, responder=around.responder)
        self.server_side = self._make_server_side(around)
        self.connecting = self._make_connecting(around)
        self.connections = Connections(
            clients=around.clients,
            access=self.access,
            joining=self.joining,
            connecting=self.connecting,
            responder=around.responder,
            channels_max=around.settings.client.channels_max,
        )
        self.revoking = self._make_revoking(around)
        self.orders = Orders(
            rules=around.rules,
            connections=self.connections,
            revoking=self.revoking,
            peers=self.peers,
            clock=around.clock,
        )
        self.dispatch = self._make_dispatch(around)
        self.emulation = self._make_emulation(around)
        self.audiences = Audiences(
            around.node, delivery=self.delivery, peers=self.peers, clock=around.clock
        )
        self._around = around

    @staticmethod
    def _make_delivery(around: Surroundings) -> Delivery:
        return Delivery(
            around.node,
            store=around.store,
            broker=around.broker,
            fanout=around.fanout,
            statistics=around.statistics,
            heads=around.heads,
            now_ms=around.clock.wall_ms,
            repair_grace_s=around.repair_grace_s,
            spawn=around.spawn,
            insufficient=around.insufficient,
        )

    @staticmethod
    def _make_proofs(around: Surroundings) -> Proofs:
        return Proofs(
            around.settings.push,
            fanout=around.fanout,
            responder=around.responder,
            clock=around.clock,
            rescheduled=around.rescheduled,
        )

    def _make_joining(
        self, around: Surroundings, reader: LogReader, retaining: Retaining
    ) -> Joining:
        client = around.settings.client
        return Joining(
            delivery=self.delivery,
            fanout=around.fanout,
            catching_up=CatchingUp(
                epoch=around.store.epoch,
                reader=reader,
                retaining=retaining,
                clock=around.clock,
                statistics=around.statistics,
                recovery_max=client.recovery_max,
                recovery_max_bytes=client.outbox_max_bytes,
            ),
            access=self.access,
            responder=around.responder,
            clock=around.clock,
            expired_close_s=client.expired_close_s,
            attendance=self.attendance,
            proofs=self.proofs,
            rescheduled=around.rescheduled,
        )

    def _make_reading(
        self, around: Surroundings, reader: LogReader, retaining: Retaining
    ) -> Reading:
        client = around.settings.client
        return Reading(
            epoch=around.store.epoch,
            rules=around.rules,
            access=self.access,
            delivery=self.delivery,
            reader=reader,
            retaining=retaining,
            responder=around.responder,
            history_max=client.history_max,
            page_max_bytes=client.outbox_max_bytes,
        )

    def _make_server_side(self, around: Surroundings) -> ServerSide:
        auth = around.settings.auth
        # Chat tells users there what happens in channels that they are not subscribed to.
        has_personal = auth.personal_channels or around.chat is not None
        return ServerSide(
            personal_namespace=auth.personal_namespace if has_personal else None,
            channels_max=around.settings.client.channels_max,
            rules=around.rules,
            access=self.access,
        )

    def _make_connecting(self, around: Surroundings) -> Connecting:
        auth, client = around.settings.auth, around.settings.client
        return Connecting(
            node=around.node,
            connect_rules=ConnectRules(
                version=around.version,
                anonymous=auth.anonymous,
                insecure=auth.insecure,
                user_connections_max=client.user_connections_max,
                ping_interval_s=client.ping_interval_s,
                ping_intervals_s=client.ping_intervals_s,
            ),
            server_side=self.server_side,
            clients=around.clients,
            identities=self.identities,
            access=self.access,
            joining=self.joining,
            devices=Devices(
                around.node,
                clients=around.clients,
                responder=around.responder,
                clock=around.clock,
                peers=self.peers,
                spawn=around.spawn,
            ),
            responder=around.responder,
            statistics=around.statistics,
            clock=around.clock,
            jitter=random.random,
            rescheduled=around.rescheduled,
        )

    def _make_revoking(self, around: Surroundings) -> Revoking:
        return Revoking(
            log=around.log,
            revocations=around.revocations,
            clients=around.clients,
            connections=self.connections,
            identities=self.identities,
            delivery=self.delivery,
            joining=self.joining,
            responder=around.responder,
            clock=around.clock,
            peers=self.peers,
            memberships=around.chat.memberships if around.chat is not None else None,
        )

    def make_chat(self, others: Others | None, is_mine: IsMine) -> Chat | None:
        """The service over a stage that is this node; from here on the use cases know it.

        None where no namespace has chat. To be called once, before there are clients.
        """
        around = self._around
        setup = around.chat
        if setup is None:
            return None
        self.delivery.members = Expulsions(
            memberships=setup.memberships,
            rules=around.rules,
            access=self.access,
            clients=around.clients,
            joining=self.joining,
        )
        stage = HubStage(
            rules=around.rules,
            publishing=self.publishing,
            delivery=self.delivery,
            revoking=self.revoking,
            hints=Hints(
                server_side=self.server_side,
                clients=around.clients,
                fanout=around.fanout,
                peers=self.peers,
                statistics=around.statistics,
                clock=around.clock,
                access=self.access,
            ),
            audiences=self.audiences,
            access=self.access,
            clock=around.clock,
            spawn=around.spawn,
        )
        chat = setup.make(stage, others, is_mine)
        self.delivery.holding.merges = chat.merges_reactions
        self.delivery.proofs = self.proofs
        self.proofs.chat = chat
        self.publishing.chat = chat
        self.reading.chat = chat
        self.calling.chat = chat
        self.connecting.chat = chat
        return chat

    def _make_emulation(self, around: Surroundings) -> Emulation:
        return Emulation(
            around.node,
            clients=around.clients,
            received=self.dispatch.received,
            peers=self.peers,
            statistics=around.statistics,
            address_of=around.address_of,
            look=around.look,
            now=around.clock.monotonic,
        )

    def _make_dispatch(self, around: Surroundings) -> Dispatch:
        subscribing = Subscribing(
            rules=around.rules,
            joining=self.joining,
            identities=self.identities,
            access=self.access,
            responder=around.responder,
            channels_max=around.settings.client.channels_max,
            rescheduled=around.rescheduled,
        )
        return Dispatch(
            {
                ConnectRequest: self.connecting.connect,
                SubscribeRequest: subscribing.subscribe,
                UnsubscribeRequest: subscribing.unsubscribe,
                PublishRequest: self.publishing.publish,
                PresenceRequest: self.reading.presence,
                PresenceStatsRequest: self.reading.presence_stats,
                HistoryRequest: self.reading.history,
                RpcRequest: self.calling.rpc,
                SendRequest: refuse_send,
                RefreshRequest: self.connecting.refresh,
                SubRefreshRequest: subscribing.sub_refresh,
            },
            limits=RateLimits(around.settings.limits),
            responder=around.responder,
            statistics=around.statistics,
            clock=around.clock,
            spawn=around.spawn,
            unconnected=around.unconnected,
        )
