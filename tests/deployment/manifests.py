"""`config/kubernetes`, read; with `push`, the comments are taken from what push needs."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from tests.deployment.command import CONFIG, Command
from tests.deployment.image import container

FOLDER: Final = CONFIG / "kubernetes"
KUSTOMIZATION: Final = FOLDER / "kustomization.yaml"
WORKLOADS: Final = ("Deployment", "Job")

# A variable of a pod, and a setting in the ConfigMap.
_OFF: Final = re.compile(r"(?m)^( +)# (- name: REALTIME_\w+|  value: /run/\S+|[a-z_]+ = .*)$")


def manifest_files() -> list[Path]:
    """Every file with manifests in it."""
    return sorted(path for path in FOLDER.glob("*.yaml") if path != KUSTOMIZATION)


def load(path: Path, *, push: bool = False) -> list[dict[str, Any]]:
    """The manifests of a file."""
    text = path.read_text(encoding="utf-8")
    return list(yaml.safe_load_all(_OFF.sub(r"\1\2", text) if push else text))


def all_manifests(*, push: bool = False) -> list[dict[str, Any]]:
    """Every manifest there is."""
    return [manifest for path in manifest_files() for manifest in load(path, push=push)]


def of_kind(kind: str, *, push: bool = False) -> list[dict[str, Any]]:
    """Every manifest of a kind."""
    return [manifest for manifest in all_manifests(push=push) if manifest["kind"] == kind]


def named(kind: str, name: str, *, push: bool = False) -> dict[str, Any]:
    """One manifest."""
    (found,) = [one for one in of_kind(kind, push=push) if one["metadata"]["name"] == name]
    return found


def workloads() -> list[dict[str, Any]]:
    """What makes pods."""
    return [manifest for kind in WORKLOADS for manifest in of_kind(kind)]


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    """The specification of a workload's pods."""
    found: dict[str, Any] = workload["spec"]["template"]["spec"]
    return found


def only_container(workload: dict[str, Any]) -> dict[str, Any]:
    """The one container of a workload's pods."""
    (found,) = pod(workload)["containers"]
    return dict(found)


def command(workload: dict[str, Any]) -> Command:
    """What a workload's pods run."""
    found = only_container(workload)
    environment = {variable["name"]: variable["value"] for variable in found["env"]}
    return container(
        f"kubernetes: {workload['metadata']['name']}", found["name"], found["args"], environment
    )


def secrets_of(workload: dict[str, Any]) -> set[str]:
    """The names of the Secrets that a workload's pods mount."""
    found = set()
    for volume in pod(workload)["volumes"]:
        found |= {volume["secret"]["secretName"]} if "secret" in volume else set()
        sources = volume.get("projected", {}).get("sources", [])
        found |= {source["secret"]["name"] for source in sources}
    return found


def settings_file(*, push: bool = False) -> str:
    """The settings that the pods find."""
    text: str = named("ConfigMap", "realtime", push=push)["data"]["realtime.toml"]
    return text


def secret_names() -> set[str]:
    """The names of all files that the Secrets become."""
    return {key for secret in of_kind("Secret") for key in secret["stringData"]}
