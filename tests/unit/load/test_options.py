"""The command line: every scenario, every profile that comes along, and all that is refused."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from load.options import add_scenarios, keys_of, options_of, plan_of, scenario_of
from load.plan import PROFILES, Plan, PlanError
from load.scenarios.table import SCENARIOS

URL = ("--url", "ws://127.0.0.1:8000")


def plan(*words: str) -> Plan:
    """What the words ask for."""
    parser = argparse.ArgumentParser()
    add_scenarios(parser.add_subparsers(dest="command"))
    return plan_of(parser.parse_args([*words, *URL]))


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_that_comes_along_has_a_load_and_thresholds_for_every_scenario(
    name: str, profile: str
) -> None:
    found = plan(name, "--profile", profile)
    assert found.thresholds
    scenario = scenario_of(name, found.parameters)
    assert scenario.subject.raised in found.parameters
    assert [phase.name for phase in scenario.phases()]
    assert 0 < scenario.connections(found.processes) < 20_000


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_parameter_is_an_option_with_a_description(name: str) -> None:
    for option in options_of(SCENARIOS[name].parameters_type):
        assert option.description, option.key
        assert option.key in keys_of(SCENARIOS[name])


@pytest.mark.parametrize("name", SCENARIOS)
def test_help_tells_what_an_option_is_without_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        plan(name, "--help")
    said = " ".join(capsys.readouterr().out.split())
    assert "errors<0.1% or" in said
    for key, value in plan(name).parameters.items():
        flag = "--" + key.replace("_", "-")
        assert re.search(rf" {flag} X [^()]*\({re.escape(str(value))}\)", said), key


def test_the_command_line_is_on_top_of_the_profile(tmp_path: Path) -> None:
    profile = tmp_path / "own.toml"
    profile.write_text(
        '[fanout]\nclients = 7\nrate = 5\nthresholds = ["errors=0"]\nprocesses = 3\n'
    )
    found = plan("fanout", "--profile", str(profile), "--rate", "9.5", "--format", "protobuf")
    assert (found.parameters["clients"], found.parameters["rate"]) == (7, 9.5)
    assert (found.processes, found.format) == (3, "protobuf")
    assert [threshold.text for threshold in found.thresholds] == ["errors=0"]
    own = plan("fanout", "--profile", str(profile), "--threshold", "p99<1s", "--until", "p50<1ms")
    assert [threshold.text for threshold in own.thresholds] == ["p99<1s"]
    assert own.until is not None and own.until.text == "p50<1ms"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--clients", "0"), "clients: .*>= 1"),
        (("--clients", "many"), "clients: Expected `int`"),
        (("--rate", "-1"), "rate: "),
        (("--processes", "0"), "processes: "),
        (("--namespace", "a:b"), "namespace: "),
        (("--threshold", "p99<5"), "p99 is a time"),
        (("--threshold", "recieved>100"), r"recieved>100.*recieved.*did you mean received\?"),
        (("--threshold", "lost=0"), "lost=0: fanout measures no lost"),
        (("--threshold", "acks.p99<1s"), r"acks.*did you mean ack\?"),
        (("--until", "fast"), "--until: "),
        (("--until", "lost=0"), "--until: lost=0"),
        (("--profile", "enormous"), "small, medium, large"),
        (("--secret-file", "a", "--tokens", "b"), "not both"),
        (("--ca-file", "a"), "no --url is that"),
        (("--url", "http://127.0.0.1"), "--url"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_place(words: Sequence[str], problem: str) -> None:
    with pytest.raises(PlanError, match=problem):
        plan("fanout", *words)


def test_a_threshold_may_name_whatever_the_scenario_counts() -> None:
    words = [f"{name}>=0" for name in ("received", "due", "delivery", "ack", "rate", "errors")]
    words += ["p50<1s", "delivery.p99.9<1s", "ack.max<1s"]
    found = plan("fanout", *(word for text in words for word in ("--threshold", text)))
    assert [threshold.text for threshold in found.thresholds] == words
    for name, counter in (("recovery", "unrecovered=0"), ("slow", "let_go_3008>1")):
        assert plan(name, "--threshold", counter).thresholds


def test_authorities_are_for_a_hub_over_tls() -> None:
    words = ("fanout", "--url", "wss://hub.example", "--ca-file", "authorities.pem")
    assert plan(*words).ca_file == "authorities.pem"


def test_a_misspelt_key_of_a_profile_is_refused(tmp_path: Path) -> None:
    profile = tmp_path / "own.toml"
    profile.write_text("[rooms]\ncleints = 7\n")
    with pytest.raises(PlanError, match=r"rooms\.cleints: no such key \(did you mean clients\?\)"):
        plan("fanout", "--profile", str(profile))
