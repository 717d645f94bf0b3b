"""Which drivers the settings ask for, and what a node is called."""

import os
import socket

import msgspec
import pytest

from realtime import wiring
from realtime.brokers.memory import MemoryBroker
from realtime.brokers.redis import RedisBroker
from realtime.cluster.hub_member import FLUSH_TIMEOUT_S
from realtime.cluster.lease import DEPART_TIMEOUT_S
from realtime.cluster.upkeep import RELEASE_TIMEOUT_S
from realtime.errors import SettingsError
from realtime.hub.hub import FLUSH_S
from realtime.server.parent import Place
from realtime.server.process import HTTP_CLEANUP_S
from realtime.server.workers import STOP_MARGIN_S
from realtime.settings.schema import BrokerSettings, ServerSettings
from realtime.stores.mongo import MongoStore
from realtime.stores.mongo.store import Statistics
from realtime.stores.sqlite import SQLiteStore


def nothing(*_: object) -> None:
    """Nobody counts."""


class Raced(MongoStore):
    """A store that other nodes have been faster than."""

    def statistics(self) -> Statistics:
        """See base."""
        return msgspec.structs.replace(super().statistics(), lost_races=2, unknown=1)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///hub.db", SQLiteStore),
        ("sqlite://:memory:", SQLiteStore),
        ("mongodb://localhost", MongoStore),
        ("mongodb+srv://cluster.example.com/db", MongoStore),
    ],
)
async def test_the_store_is_the_one_that_its_address_names(url: str, driver: type) -> None:
    assert isinstance(wiring.make_store(url, on_commit=nothing), driver)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("memory://", MemoryBroker),
        ("redis://localhost", RedisBroker),
        ("rediss://:password@localhost:6380/1", RedisBroker),
        ("unix:///run/redis.sock", RedisBroker),
        ("redis+sentinel://a,b/mymaster", RedisBroker),
    ],
)
async def test_the_broker_is_the_one_that_its_address_names(url: str, driver: type) -> None:
    assert isinstance(wiring.make_broker(BrokerSettings(url=url), node="n"), driver)


async def test_what_happens_to_appends_is_counted_by_the_store_or_does_not_happen() -> None:
    assert wiring.append_counts(SQLiteStore(":memory:"))() == (0, 0)
    assert wiring.append_counts(Raced("mongodb://localhost"))() == (2, 1)


def test_who_kills_a_hub_waits_for_all_that_it_does_after_its_drain() -> None:
    leaving_s = FLUSH_TIMEOUT_S + RELEASE_TIMEOUT_S + DEPART_TIMEOUT_S
    closing_s = HTTP_CLEANUP_S + wiring.BROKER_CLOSE_S + wiring.STORE_CLOSE_S
    assert FLUSH_S + leaving_s + closing_s < STOP_MARGIN_S


async def test_what_only_the_driver_knows_is_wrong_is_a_problem_of_the_settings() -> None:
    settings = BrokerSettings(url="redis://:password@h/0?what=else")
    with pytest.raises(SettingsError) as refused:
        wiring.make_broker(settings, node="n")
    (problem,) = refused.value.problems
    assert problem.startswith("broker.url: expected ")
    assert "@h" not in problem


def test_a_node_is_called_as_the_settings_say_or_after_its_machine_and_process() -> None:
    own = f"{socket.gethostname()}-{os.getpid()}"
    assert wiring.node_name(ServerSettings()) == own
    assert wiring.node_name(ServerSettings(), Place(2, 4)) == own
    assert wiring.node_name(ServerSettings(name="eu")) == "eu"
    assert wiring.node_name(ServerSettings(name="eu"), Place(2, 4)) == "eu-2"
