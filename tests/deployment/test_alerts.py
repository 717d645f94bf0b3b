"""The alert rules: they fire when they should, and what they count exists."""

import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deployment import manifests
from tests.deployment.command import CONFIG
from tests.support.configuration import Sections
from tests.support.processes import HubProcess
from tests.support.programs import require

ALERTS: Final = CONFIG / "alerts.yaml"
UNIT_TESTS: Final = Path(__file__).with_name("alerts_test.yaml")
SEVERITIES: Final = {"page", "ticket"}

_METRIC: Final = re.compile(r"\brealtime_[a-z_]+")
_SERIES: Final = re.compile(r"^(realtime_[a-z_]+?)(?:\{[^}]*\})? ", re.M)
_SUFFIXES: Final = ("_bucket", "_count", "_sum")
# A label that only ever has some values, and those not from the start.
_LATE: Final = {
    "realtime_errors_total",
    "realtime_disconnects_total",
    "realtime_emulations_total",
}


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def promtool(*arguments: str, directory: Path) -> str:
    """Run promtool; what it says, if it finds nothing wrong."""
    program = require("promtool", "apt-get install prometheus")
    done = subprocess.run(
        [program, *arguments], cwd=directory, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with the alerts and what tries them."""
    shutil.copy(ALERTS, tmp_path)
    shutil.copy(UNIT_TESTS, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """The names of all series that a hub with chat and push exposes, of which it has counted none
    yet."""
    chat = {"history_size": -1, "chat": "room", "push": "all"}
    changes: Sections = {
        "namespaces": {"room": chat},
        "chat": {"hook_url": "http://127.0.0.1:9/check"},
    }
    hub = HubProcess(tmp_path_factory.mktemp("hub"), changes)
    try:
        hub.start()
        with urllib.request.urlopen(f"{hub.url}/metrics", timeout=5) as answer:  # noqa: S310
            text = answer.read().decode()
        names = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
        yield names | set(_SERIES.findall(text)) | _LATE
    finally:
        hub.end()


def test_prometheus_takes_the_rules(beside: Path) -> None:
    assert f"{len(rules())} rules found" in promtool(
        "check", "rules", ALERTS.name, directory=beside
    )


def test_alerts_fire_when_they_should_and_only_then(beside: Path) -> None:
    promtool("test", "rules", UNIT_TESTS.name, directory=beside)


def test_an_alert_that_does_not_fire_is_found(beside: Path) -> None:
    text = ALERTS.read_text(encoding="utf-8")
    (beside / ALERTS.name).write_text(text.replace("broker_degraded{", "broker_degarded{"))
    with pytest.raises(AssertionError, match="RealtimeBusDegraded"):
        promtool("test", "rules", UNIT_TESTS.name, directory=beside)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_counts_what_a_hub_exposes(rule: dict[str, Any], exposed: set[str]) -> None:
    assert set(_METRIC.findall(rule["expr"])) - exposed == set()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in SEVERITIES
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    assert rule["annotations"].keys() == {"summary", "action"}
    named = set(re.findall(r"\bRealtime[A-Z]\w+", rule["annotations"]["action"]))
    assert named <= {one["alert"] for one in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_what_an_alert_advises_to_look_at_exists(rule: dict[str, Any], exposed: set[str]) -> None:
    told = {name.rstrip("_") for name in _METRIC.findall(rule["annotations"]["action"])}
    assert {name for name in told if name not in exposed} == set()


def test_the_autoscaler_counts_what_a_hub_exposes(exposed: set[str]) -> None:
    (scaler,) = manifests.of_kind("HorizontalPodAutoscaler")
    names = {metric["pods"]["metric"]["name"] for metric in scaler["spec"]["metrics"]}
    assert names - exposed == set()
