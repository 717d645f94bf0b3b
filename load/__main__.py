"""`python -m load SCENARIO --url ws://…`: puts hubs under load, and tells how they bore it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from load.descriptors import LimitError
from load.execution import execute
from load.faults import listed
from load.fleet import FleetFailed
from load.judgement import COULD_NOT_RUN, EXIT_CODES
from load.measured import Result
from load.options import add_scenarios, plan_of, scenario_of
from load.plan import PlanError
from load.progress import Progress
from load.push_settings import add_push_settings, show_push_settings
from load.report import compare, files, merge, text
from load.report.words import printable
from load.scenarios.soak import faults_of, soak_parameters
from load.scenarios.table import SCENARIOS


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words say; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m load", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_scenarios(commands)
    _add_merge(commands)
    _add_compare(commands)
    add_push_settings(commands)
    arguments = parser.parse_args(words)
    try:
        if arguments.command == "merge":
            return _merge(arguments)
        if arguments.command == "compare":
            return _compare(arguments)
        if arguments.command == "push-settings":
            return show_push_settings(arguments)
        return _run(arguments)
    except (PlanError, LimitError, FleetFailed, files.UnreadableResult, OSError) as error:
        # What a hub, or a hub's log, has said may be in it.
        said = "\n".join(map(printable, str(error).splitlines()))
        sys.stderr.write(f"load: {said}\n")
        return COULD_NOT_RUN


def _run(arguments: argparse.Namespace) -> int:
    plan = plan_of(arguments)
    scenario = scenario_of(plan.scenario, plan.parameters)
    if getattr(arguments, "faults_list", False):
        sys.stdout.write(listed(faults_of(soak_parameters(plan.parameters), plan.seed)))
        return 0
    if plan.out:
        try:
            files.prepare(Path(plan.out))
        except OSError as error:
            raise PlanError([f"--out {plan.out}: {error.strerror or error}"]) from None
    progress = Progress(sys.stderr, scenario.subject)
    try:
        result = uvloop.run(execute(plan, scenario, progress))
    except KeyboardInterrupt:
        return EXIT_CODES["interrupted"]
    return _tell(result, arguments.out)


def _add_merge(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("merge", help="results of several machines as one")
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULT.json")
    parser.add_argument("--out", default="", metavar="DIR", help="folder for the report (none)")


def _merge(arguments: argparse.Namespace) -> int:
    results = [files.read(path) for path in arguments.results]
    name = results[0].scenario
    if name not in SCENARIOS:
        raise PlanError([f"{arguments.results[0]}: no scenario {name} is known"])
    scenario = scenario_of(name, results[0].parameters)
    judged = {phase.name for phase in scenario.phases() if phase.judged}
    # The phases of a search are none of the scenario's: all of them count.
    known = any(phase.phase in judged for result in results for phase in result.phases)
    try:
        whole = merge.merged(results, scenario.subject, judged if known else None)
        return _tell(whole, arguments.out)
    except ValueError as error:
        raise PlanError([str(error)]) from None


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("compare", help="what changed from one result to another")
    parser.add_argument("before", type=Path, metavar="A.json")
    parser.add_argument("after", type=Path, metavar="B.json")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page, too")


def _compare(arguments: argparse.Namespace) -> int:
    before, after = files.read(arguments.before), files.read(arguments.after)
    sys.stdout.write(compare.as_text(before, after))
    if arguments.html is not None:
        arguments.html.write_text(compare.as_html(before, after), "utf-8")
    return 0


def _tell(result: Result, out: str) -> int:
    subject = SCENARIOS[result.scenario].subject
    sys.stdout.write(text.summary(result, subject))
    if out:
        for path in files.write(result, Path(out), subject):
            sys.stdout.write(f"{path}\n")
    return EXIT_CODES[result.verdict]


if __name__ == "__main__":
    sys.exit(main())
