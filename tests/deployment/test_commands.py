"""Every `realtime …` command of the compose file runs as it stands there, with only the hosts and
paths of `places.py` changed, and so do its proxy and its Redis.

MongoDB's own two commands are not: no registry has `mongod`. Its health check is a program in
JavaScript, which `test_compose.py` runs against a made-up replica set.
"""

import signal
from collections.abc import Iterator
from typing import Final

import pytest

from tests.deployment import compose
from tests.deployment.asking import status
from tests.deployment.children import Child
from tests.deployment.deployment import Deployment
from tests.deployment.provider_keys import provider_keys
from tests.deployment.proxy_programs import NGINX
from tests.support.configuration import API_KEY
from tests.support.programs import require
from tests.support.python_sdk import PythonSdk
from tests.support.tokens import connection_token

HUBS: Final = ("hub1", "hub2")
WORKER_STAYS_S: Final = 2.0

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def initialised(deployment: Deployment) -> str:
    """The store after the one-shot service; what that said."""
    return deployment.done(compose.command("store-init"))


@pytest.fixture(scope="module")
def hubs(deployment: Deployment, initialised: str, redis: Child) -> Iterator[dict[str, Child]]:
    """Both hubs, once their health checks say that they are well."""
    running = {name: deployment.service(name) for name in HUBS}
    yield running
    grace_s = compose.seconds(compose.services()["hub1"]["stop_grace_period"])
    for child in running.values():
        assert child.terminate(grace_s) == 0, child.log


@pytest.fixture(scope="module")
def proxy(deployment: Deployment, hubs: dict[str, Child]) -> Iterator[Child]:
    """nginx as the compose file starts it, with the configuration that it mounts."""
    NGINX.install(deployment.places)
    # The check is `wget -q -O /dev/null URL`, and its exit code tells.
    require("wget", "apt-get install wget")
    child = deployment.service("proxy")
    yield child
    # nginx' words for a quick end and for one in good order.
    child.signal(signal.SIGQUIT)


def test_store_init_can_be_done_again(deployment: Deployment, initialised: str) -> None:
    deployment.done(compose.command("store-init"))


def test_both_hubs_become_well(hubs: dict[str, Child]) -> None:
    assert set(hubs) == set(HUBS)


def test_the_health_check_of_a_hub_that_is_not_there_fails(deployment: Deployment) -> None:
    check = compose.health_check("hub1")
    argv, environment = deployment.places.command(check)
    environment["REALTIME_SERVER__INTERNAL_PORT"] = "9009"
    assert deployment.children.run(argv, environment).returncode != 0


def test_the_worker_runs_until_it_is_told_to_stop(
    deployment: Deployment, initialised: str, redis: Child
) -> None:
    worker = deployment.service("worker")
    with pytest.raises(TimeoutError):
        worker.ended_within(WORKER_STAYS_S)
    assert worker.terminate() == 0, worker.log


def test_a_worker_with_all_providers_becomes_well(
    deployment: Deployment, initialised: str, redis: Child
) -> None:
    for name, key in provider_keys().items():
        deployment.places.write(f"/run/secrets/{name}", key)
    worker = deployment.start("worker", compose.command("worker", push=True))
    check = compose.health_check("worker")
    worker.until(lambda: deployment.is_well(check), "well")
    grace_s = compose.seconds(compose.services()["worker"]["stop_grace_period"])
    assert worker.terminate(grace_s) == 0, worker.log


async def test_clients_reach_the_hubs_through_the_proxy(
    deployment: Deployment, proxy: Child
) -> None:
    address = f"{deployment.places.addresses['proxy']}:8080"
    url = f"ws://{address}/connection/websocket"
    ann, bob = (PythonSdk(url, connection_token(user)) for user in ("ann", "bob"))
    try:
        for sdk in (ann, bob):
            await sdk.joined()
            await sdk.subscribed("typing:room")
        await ann.publish("typing:room", {"typing": True})
        assert await bob.publications("typing:room", 1) == [{"typing": True}]
    finally:
        for sdk in (ann, bob):
            await sdk.close()


def test_backends_reach_the_api_through_the_proxys_other_port(
    deployment: Deployment, proxy: Child
) -> None:
    address = f"http://{deployment.places.addresses['proxy']}:9000"
    assert status(f"{address}/api/info", b"{}", {"X-API-Key": API_KEY}) == 200
    assert status(f"{address}/api/info", b"{}", {"X-API-Key": "another"}) == 401
    assert status(f"{address}/metrics") == 404


@pytest.mark.parametrize("path", ["/", "/api/info", "/metrics", "/health", "/ready"])
def test_the_public_port_has_nothing_that_is_not_public(
    deployment: Deployment, proxy: Child, path: str
) -> None:
    address = f"http://{deployment.places.addresses['proxy']}:8080"
    assert status(f"{address}{path}", None, {"X-API-Key": API_KEY}) == 404
