"""What the Kubernetes manifests run is run as it stands there, and asked as the kubelet would."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.deployment import manifests
from tests.deployment.asking import status
from tests.deployment.children import Child
from tests.deployment.deployment import Deployment
from tests.deployment.provider_keys import provider_keys
from tests.support.configuration import API_KEY, HMAC_SECRET
from tests.support.tokens import connection_token

WORKER_STAYS_S: Final = 2.0
SECRETS: Final = "/run/secrets/realtime"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def pods(deployment: Deployment) -> Deployment:
    """A deployment with the ConfigMap, and with Secrets whose addresses are the tests' servers; it
    has all push providers."""
    places = deployment.places
    settings = places.here(manifests.settings_file(push=True), "worker")
    places.write("/etc/realtime/realtime.toml", settings)
    redis = places.addresses["redis"]
    filled = {
        "hmac": HMAC_SECRET,
        "hmac_previous": "",
        "api_keys": API_KEY,
        "mongodb_url": places.mongodb_url,
        "redis_url": f"redis://{redis}:6379/0",
        **provider_keys(),
    }
    assert filled.keys() == manifests.secret_names()
    for name, text in filled.items():
        places.write(f"{SECRETS}/{name}", text)
    return deployment


@pytest.fixture(scope="module")
def initialised(pods: Deployment) -> str:
    """The store after the Job; what that said."""
    return pods.done(manifests.command(manifests.named("Job", "realtime-store-init")))


@pytest.fixture(scope="module")
def hub(pods: Deployment, initialised: str, redis: Child) -> Iterator[Child]:
    """A hub, once its startup probe has succeeded; at last it is taken away as a pod is."""
    workload = manifests.named("Deployment", "realtime-hub", push=True)
    command = manifests.command(workload)
    child = pods.start("hub", command)
    child.until(lambda: probed(pods, "hub", "startup") == 200, "started")
    yield child
    hook = manifests.only_container(workload)["lifecycle"]["preStop"]["exec"]["command"]
    pods.done(command.instead(*hook))
    grace_s = manifests.pod(workload)["terminationGracePeriodSeconds"]
    assert child.terminate(grace_s) == 0, child.log


def probed(pods: Deployment, component: str, name: str) -> int:
    """The status that a probe of a hub or a worker gets."""
    container = manifests.only_container(manifests.named("Deployment", f"realtime-{component}"))
    probe: dict[str, Any] = container[f"{name}Probe"]["httpGet"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    address = pods.places.addresses[component]
    return status(f"http://{address}:{ports[probe['port']]}{probe['path']}")


@pytest.mark.parametrize("name", ["startup", "liveness", "readiness"])
def test_a_probe_of_a_hub_succeeds(pods: Deployment, hub: Child, name: str) -> None:
    assert probed(pods, "hub", name) == 200


def scraped(pods: Deployment, component: str) -> int:
    """The status that Prometheus gets where the annotations send it."""
    workload = manifests.named("Deployment", f"realtime-{component}")
    notes = workload["spec"]["template"]["metadata"]["annotations"]
    port, path = notes["prometheus.io/port"], notes["prometheus.io/path"]
    return status(f"http://{pods.places.addresses[component]}:{port}{path}")


def test_prometheus_finds_metrics_where_the_annotations_say(pods: Deployment, hub: Child) -> None:
    assert scraped(pods, "hub") == 200


def test_a_browser_is_told_what_to_subscribe_with(pods: Deployment, hub: Child) -> None:
    address = f"http://{pods.places.addresses['hub']}:8000"
    token = {"Authorization": f"Bearer {connection_token('ann')}"}
    assert status(f"{address}/api/v1/push/keys", None, token) == 200


def test_the_public_port_has_neither_api_nor_metrics(pods: Deployment, hub: Child) -> None:
    address = f"http://{pods.places.addresses['hub']}:8000"
    assert status(f"{address}/api/info", b"{}", {"X-API-Key": API_KEY}) == 404
    assert status(f"{address}/metrics") == 404


def test_the_worker_is_well_and_runs_until_it_is_told_to_stop(
    pods: Deployment, initialised: str, redis: Child
) -> None:
    workload = manifests.named("Deployment", "realtime-worker", push=True)
    worker = pods.start("worker", manifests.command(workload))
    worker.until(lambda: probed(pods, "worker", "startup") == 200, "started")
    assert probed(pods, "worker", "liveness") == 200
    assert scraped(pods, "worker") == 200
    with pytest.raises(TimeoutError):
        worker.ended_within(WORKER_STAYS_S)
    grace_s = manifests.pod(workload)["terminationGracePeriodSeconds"]
    assert worker.terminate(grace_s) == 0, worker.log
