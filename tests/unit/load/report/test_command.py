"""The command of a report does the same again: it is read back as the plan that it came from."""

import argparse
import shlex

import msgspec
import pytest

from load.measured import ThresholdOutcome
from load.options import add_scenarios, plan_of
from load.plan import Plan
from load.report.words import command
from load.scenarios.table import SCENARIOS
from tests.support.load_results import measured, result


def _plan(words: list[str]) -> Plan:
    parser = argparse.ArgumentParser()
    add_scenarios(parser.add_subparsers(dest="command"))
    return plan_of(parser.parse_args(words))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_report_tells_the_command_that_it_came_from(scenario: str) -> None:
    given = [scenario, "--url", "ws://127.0.0.1:8000/a path", "--url", "ws://127.0.0.1:8001"]
    given += ["--format", "protobuf", "--processes", "3", "--seed", "9", "--seconds", "2.5"]
    plan = _plan([*given, "--threshold", "errors<0.1%"])
    run = result(
        msgspec.structs.replace(measured(seconds=2), processes=plan.processes),
        scenario=plan.scenario,
        parameters=dict(plan.parameters),
        urls=list(plan.urls),
        format=plan.format,
        seed=plan.seed,
        thresholds=[ThresholdOutcome(text=one.text, passed=True) for one in plan.thresholds],
    )
    words = shlex.split(command(run))
    assert words[:4] == ["python", "-m", "load", scenario]
    assert _plan(words[3:]) == plan
