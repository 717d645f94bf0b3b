"""The Kubernetes manifests: right by the published schemas, and right for this hub."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final, get_args

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from realtime.server.workers import STOP_MARGIN_S
from realtime.settings.load import load
from realtime.settings.schema import Settings
from realtime.wiring import BROKER_CLOSE_S, STORE_CLOSE_S
from tests.deployment import manifests
from tests.deployment.command import CONFIG
from tests.deployment.places import Places
from workers.providers.base import ProviderName
from workers.push import CLOSE_S, DRAIN_S

VERSIONS: Final = ("1.27", "1.34")
"""Kubernetes' minor versions that the manifests are written for: the oldest with all that they use
turned on, and a recent one."""

# The programs that a pod runs beside ours; the image's base has them.
_BASE_PROGRAMS: Final = {"sleep"}


def ids(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def settings_of(workload: dict[str, Any], directory: Path, *, push: bool = False) -> Settings:
    """What the pods of a workload find when they read their settings."""
    places = Places(directory)
    for mount in manifests.only_container(workload)["volumeMounts"]:
        assert mount["readOnly"] is True
        if mount["mountPath"] == "/etc/realtime":
            places.write("/etc/realtime/realtime.toml", manifests.settings_file(push=push))
    for secret in manifests.of_kind("Secret"):
        for name, text in secret["stringData"].items():
            places.write(f"/run/secrets/realtime/{name}", text)
    _, environment = places.command(manifests.command(workload))
    return load(environment["REALTIME_CONFIG"], environment)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", manifests.all_manifests(), ids=ids)
def test_a_manifest_fits_its_schema(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("name", ["realtime-hub", "realtime-worker"])
def test_a_manifest_fits_its_schema_with_push(name: str) -> None:
    manifest = manifests.named("Deployment", name, push=True)
    assert manifest != manifests.named("Deployment", name)
    kubernetes_validate.validate(manifest, VERSIONS[0], strict=True)


def test_a_manifest_with_a_misspelt_key_is_found() -> None:
    manifest = manifests.named("Deployment", "realtime-hub")
    manifests.pod(manifest)["terminationGracePeriod"] = 60
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[0], strict=True)


def test_no_manifest_names_a_namespace() -> None:
    assert not [ids(one) for one in manifests.all_manifests() if "namespace" in one["metadata"]]


def test_the_kustomization_has_every_file_but_the_examples() -> None:
    listed = yaml.safe_load(manifests.KUSTOMIZATION.read_text(encoding="utf-8"))
    names = {path.name for path in manifests.manifest_files() if ".example." not in path.name}
    assert set(listed["resources"]) == names
    (image,) = listed["images"]
    assert {manifests.only_container(one)["image"] for one in manifests.workloads()} == {
        image["name"]
    }
    assert image["newTag"] != "latest"


@pytest.mark.parametrize("workload", manifests.workloads(), ids=ids)
def test_every_variable_of_a_pod_is_a_setting(workload: dict[str, Any], tmp_path: Path) -> None:
    settings = settings_of(workload, tmp_path)
    assert settings.store.url.startswith("mongodb://")
    assert settings.broker.url.startswith("rediss://")


def test_a_hub_has_the_keys_and_a_worker_has_none(tmp_path: Path) -> None:
    hub = settings_of(manifests.named("Deployment", "realtime-hub"), tmp_path / "hub")
    assert hub.auth.hmac_secret is not None
    assert len(hub.api.keys) == 1
    worker = manifests.named("Deployment", "realtime-worker")
    assert settings_of(worker, tmp_path / "worker").auth.hmac_secret is None
    assert "realtime" not in manifests.secrets_of(worker)


def test_without_push_a_pod_needs_none_of_its_secrets(tmp_path: Path) -> None:
    for name in ("realtime-hub", "realtime-worker"):
        workload = manifests.named("Deployment", name)
        (volume,) = [one for one in manifests.pod(workload)["volumes"] if "projected" in one]
        secrets = [source["secret"] for source in volume["projected"]["sources"]]
        for secret in secrets:
            assert secret.get("optional", False) == secret["name"].endswith("push")
        settings = settings_of(workload, tmp_path / name)
        assert settings.fcm.credentials_file is None
        assert settings.apns.key_file is None
        assert settings.webpush.vapid_private_key is None


def test_only_a_worker_has_the_keys_of_fcm_and_apns_and_both_have_that_of_web_push() -> None:
    hub = manifests.named("Deployment", "realtime-hub")
    worker = manifests.named("Deployment", "realtime-worker")
    assert manifests.secrets_of(worker) - manifests.secrets_of(hub) == {"realtime-push"}
    assert "realtime-webpush" in manifests.secrets_of(hub)
    assert set(manifests.named("Secret", "realtime-webpush")["stringData"]) == {"vapid"}


@pytest.mark.parametrize("name", ["realtime-hub", "realtime-worker"])
def test_what_push_needs_can_be_taken_from_its_comments(name: str, tmp_path: Path) -> None:
    workload = manifests.named("Deployment", name, push=True)
    settings = settings_of(workload, tmp_path, push=True)
    files = manifests.named("Secret", "realtime-push")["stringData"]
    assert {settings.fcm.credentials_file, settings.apns.key_file} == {
        f"/run/secrets/realtime/{file}" for file in files
    }
    assert settings.apns.topic is not None
    assert settings.webpush.vapid_private_key is not None
    assert settings.webpush.vapid_subject is not None
    assert any(options.push for options in settings.namespaces.values())


@pytest.mark.parametrize("push", [False, True])
@pytest.mark.parametrize("name", [one["metadata"]["name"] for one in manifests.workloads()])
def test_every_file_that_a_variable_names_is_mounted(name: str, push: bool) -> None:
    (workload,) = [
        manifests.named(one["kind"], name, push=push)
        for one in manifests.workloads()
        if one["metadata"]["name"] == name
    ]
    pod, container = manifests.pod(workload), manifests.only_container(workload)
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    keys = {secret["metadata"]["name"]: secret for secret in manifests.of_kind("Secret")}
    mounted: set[str] = set()
    for secret in manifests.secrets_of(workload):
        mounted |= keys[secret]["stringData"].keys()
    named = [variable for variable in container["env"] if variable["name"].endswith("_FILE")]
    assert {variable["value"] for variable in named} <= {
        f"/run/secrets/realtime/{name}" for name in mounted
    }


def test_the_settings_are_for_a_pod(tmp_path: Path) -> None:
    hub = manifests.named("Deployment", "realtime-hub")
    server = settings_of(hub, tmp_path).server
    ports = {port["name"]: port["containerPort"] for port in manifests.only_container(hub)["ports"]}
    host = manifests.command(hub).environment["REALTIME_SERVER__HOST"]
    assert host == "0.0.0.0"  # noqa: S104 - of the pod's own network
    assert ports == {"public": server.port, "internal": server.internal_port}


def test_a_hub_leaves_the_services_first_and_then_has_time_to_drain(tmp_path: Path) -> None:
    hub = manifests.named("Deployment", "realtime-hub")
    program, pause = manifests.only_container(hub)["lifecycle"]["preStop"]["exec"]["command"]
    assert program in _BASE_PROGRAMS
    drain_s = settings_of(hub, tmp_path).server.drain_s
    needed_s = float(pause) + drain_s + STOP_MARGIN_S
    assert manifests.pod(hub)["terminationGracePeriodSeconds"] > needed_s


def test_a_worker_has_time_to_end_what_it_has_begun() -> None:
    worker = manifests.named("Deployment", "realtime-worker")
    providers = len(get_args(ProviderName))
    needed_s = DRAIN_S + providers * CLOSE_S + BROKER_CLOSE_S + STORE_CLOSE_S
    assert manifests.pod(worker)["terminationGracePeriodSeconds"] > needed_s
    assert worker["spec"]["replicas"] >= 2


def test_a_worker_is_asked_only_whether_its_loop_turns(tmp_path: Path) -> None:
    worker = manifests.named("Deployment", "realtime-worker")
    container = manifests.only_container(worker)
    (port,) = container["ports"]
    assert port["containerPort"] == settings_of(worker, tmp_path).push.metrics_port
    for name in ("startup", "liveness"):
        assert container[f"{name}Probe"]["httpGet"] == {"path": "/health", "port": port["name"]}
    assert "readinessProbe" not in container
    notes = worker["spec"]["template"]["metadata"]["annotations"]
    assert notes["prometheus.io/port"] == str(port["containerPort"])


def test_a_worker_may_go_out_to_what_it_needs_and_not_to_private_addresses() -> None:
    spec = manifests.named("NetworkPolicy", "realtime-worker")["spec"]
    inside, providers = spec["egress"]
    assert {rule["port"] for rule in inside["ports"]} == {53, 27017, 6379, 26379}
    assert {rule["port"] for rule in providers["ports"]} == {443, 2197}
    blocks = [to["ipBlock"] for to in providers["to"]]
    assert {block["cidr"] for block in blocks} == {"0.0.0.0/0", "::/0"}
    excepted = [ip_network(network) for block in blocks for network in block["except"]]
    for address in (
        "10.1.2.3",
        "127.0.0.1",
        "169.254.169.254",
        "172.20.0.1",
        "192.168.1.1",
        "fd00::1",
    ):
        assert any(ip_address(address) in network for network in excepted), address
    assert not any(ip_address("17.188.1.1") in network for network in excepted)
    (ingress,) = spec["ingress"]
    assert ingress["ports"] == [{"port": "internal", "protocol": "TCP"}]


def test_probes_ask_the_internal_port_and_only_readiness_asks_for_the_store() -> None:
    container = manifests.only_container(manifests.named("Deployment", "realtime-hub"))
    probes = {
        name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")
    }
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/health",
        "liveness": "/health",
        "readiness": "/ready",
    }
    assert {probe["port"] for probe in probes.values()} == {"internal"}


@pytest.mark.parametrize("workload", manifests.workloads(), ids=ids)
def test_a_pod_may_do_nothing_that_it_need_not(workload: dict[str, Any]) -> None:
    pod, container = manifests.pod(workload), manifests.only_container(workload)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]


def test_selectors_find_pods() -> None:
    pods = [one["spec"]["template"]["metadata"]["labels"].items() for one in manifests.workloads()]
    selectors = [service["spec"]["selector"] for service in manifests.of_kind("Service")]
    for kind in ("Deployment", "PodDisruptionBudget"):
        selectors += [one["spec"]["selector"]["matchLabels"] for one in manifests.of_kind(kind)]
    for policy in manifests.of_kind("NetworkPolicy"):
        selectors.append(policy["spec"]["podSelector"]["matchLabels"])
    for workload in manifests.workloads():
        for spread in manifests.pod(workload).get("topologySpreadConstraints", []):
            selectors.append(spread["labelSelector"]["matchLabels"])
    for selector in selectors:
        assert any(selector.items() <= labels for labels in pods), selector


def test_ports_have_the_names_that_services_and_the_ingress_use() -> None:
    names = {
        one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: {
            port["name"] for port in manifests.only_container(one)["ports"]
        }
        for one in manifests.of_kind("Deployment")
    }
    for service in manifests.of_kind("Service"):
        component = service["spec"]["selector"]["app.kubernetes.io/component"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names[component]
    (ingress,) = manifests.of_kind("Ingress")
    for rule in ingress["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            backend = path["backend"]["service"]
            ports = manifests.named("Service", backend["name"])["spec"]["ports"]
            assert backend["port"]["name"] in {port["name"] for port in ports}


def test_the_internal_port_is_in_no_ingress() -> None:
    (ingress,) = manifests.of_kind("Ingress")
    paths = [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    assert {path["path"] for path in paths} == {"/connection", "/api/v1", "/emulation"}
    assert {path["backend"]["service"]["port"]["name"] for path in paths} == {"public"}


def test_a_disruption_takes_one_hub_at_a_time() -> None:
    (budget,) = manifests.of_kind("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    rolling = manifests.named("Deployment", "realtime-hub")["spec"]["strategy"]["rollingUpdate"]
    assert rolling["maxUnavailable"] == 0


def test_the_autoscaler_is_slow_to_take_hubs_away(tmp_path: Path) -> None:
    (scaler,) = manifests.of_kind("HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]
    hub = manifests.named(target["kind"], target["name"])
    assert "replicas" not in hub["spec"], "every apply would undo what the autoscaler did"
    up, down = (scaler["spec"]["behavior"][way] for way in ("scaleUp", "scaleDown"))
    assert down["stabilizationWindowSeconds"] >= 10 * up["stabilizationWindowSeconds"]
    assert scaler["spec"]["minReplicas"] >= 2
    connections, lag = (metric["pods"] for metric in scaler["spec"]["metrics"])
    settings = settings_of(hub, tmp_path)
    # When one of three goes, the other two have room for what it had.
    share = int(connections["target"]["averageValue"]) / settings.server.connections_max
    assert share * 3 / 2 <= 1
    assert lag["metric"]["name"] == "realtime_loop_lag_seconds"


def test_the_adapter_has_a_rule_for_each_metric_of_the_autoscaler() -> None:
    adapter = yaml.safe_load((CONFIG / "prometheus-adapter.yaml").read_text(encoding="utf-8"))
    rules = {rule["name"]["matches"]: rule for rule in adapter["rules"]}
    (scaler,) = manifests.of_kind("HorizontalPodAutoscaler")
    wanted = {metric["pods"]["metric"]["name"] for metric in scaler["spec"]["metrics"]}
    assert rules.keys() == wanted
    for name, rule in rules.items():
        assert rule["seriesQuery"].startswith(f"{name}{{")
