"""The Kubernetes manifests: right by the published schemas, and right for this hub."""

from pathlib import Path
from typing import Any, Final

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from realtime.server.workers import STOP_MARGIN_S
from realtime.settings.load import load
from realtime.settings.schema import Settings
from tests.deployment import manifests
from tests.deployment.command import CONFIG
from tests.deployment.places import Places

VERSIONS: Final = ("1.27", "1.34")
"""Kubernetes' minor versions that the manifests are written for: the oldest with all that they use
turned on, and a recent one."""

# The programs that a pod runs beside ours; the image's base has them.
_BASE_PROGRAMS: Final = {"sleep"}


def ids(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def settings_of(workload: dict[str, Any], directory: Path) -> Settings:
    """What the pods of a workload find when they read their settings."""
    places = Places(directory)
    for mount in manifests.only_container(workload)["volumeMounts"]:
        assert mount["readOnly"] is True
        if mount["mountPath"] == "/etc/realtime":
            places.write("/etc/realtime/realtime.toml", manifests.settings_file())
    for secret in manifests.of_kind("Secret"):
        for name, text in secret["stringData"].items():
            places.write(f"/run/secrets/realtime/{name}", text)
    _, environment = places.command(manifests.command(workload))
    return load(environment["REALTIME_CONFIG"], environment)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", manifests.all_manifests(), ids=ids)
def test_a_manifest_fits_its_schema(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


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
    secrets = [volume.get("secret") for volume in manifests.pod(worker)["volumes"]]
    assert {secret["secretName"] for secret in secrets if secret} == {"realtime-addresses"}


@pytest.mark.parametrize("workload", manifests.workloads(), ids=ids)
def test_every_file_that_a_variable_names_is_mounted(workload: dict[str, Any]) -> None:
    pod, container = manifests.pod(workload), manifests.only_container(workload)
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    keys = {secret["metadata"]["name"]: secret for secret in manifests.of_kind("Secret")}
    mounted: set[str] = set()
    for volume in pod["volumes"]:
        if "secret" in volume:
            mounted |= keys[volume["secret"]["secretName"]]["stringData"].keys()
        for source in volume.get("projected", {}).get("sources", []):
            mounted |= keys[source["secret"]["name"]]["stringData"].keys()
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
    hub = manifests.only_container(manifests.named("Deployment", "realtime-hub"))
    names = {port["name"] for port in hub["ports"]}
    for service in manifests.of_kind("Service"):
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
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
