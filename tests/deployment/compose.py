"""`config/compose.yaml`, read; with `push`, the comments are taken from what push needs."""

import re
from typing import Any, Final

import yaml

from tests.deployment.command import CONFIG, Command
from tests.deployment.image import container

COMPOSE: Final = CONFIG / "compose.yaml"
OURS: Final = "realtime"
"""The image that `config/Dockerfile` makes."""

_OFF: Final = re.compile(r"(?m)^( +)# (REALTIME_\w+: .*)$")
_UNITS_S: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def document(*, push: bool = False) -> dict[str, Any]:
    """The whole file, its anchors resolved."""
    text = COMPOSE.read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(_OFF.sub(r"\1\2", text) if push else text)
    return loaded


def services(*, push: bool = False) -> dict[str, Any]:
    """The services by name."""
    found: dict[str, Any] = document(push=push)["services"]
    return found


def ours() -> dict[str, Any]:
    """The services that run our image."""
    return {name: service for name, service in services().items() if service["image"] == OURS}


def command(name: str, *, push: bool = False) -> Command:
    """What a service runs."""
    service = services(push=push)[name]
    where = f"compose.yaml: {name}"
    if service["image"] == OURS:
        return container(where, name, service["command"], service["environment"])
    return Command(where=where, host=name, argv=tuple(service["command"]), environment={})


def health_check(name: str) -> Command:
    """What a service is asked by."""
    kind, *argv = services()[name]["healthcheck"]["test"]
    assert kind == "CMD", "a shell in between is one thing more that can fail"
    return command(name).instead(*argv)


def seconds(text: str) -> float:
    """Read a duration as Compose writes it: "1m30s"."""
    parts = re.findall(r"(\d+)(ms|s|m|h)", text)
    assert "".join(number + unit for number, unit in parts) == text, text
    return float(sum(int(number) * _UNITS_S[unit] for number, unit in parts))
