"""The command line of a run: words to a `Plan`. Each scenario's parameters are options of it."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec

from load.nodes import read_nodes
from load.plan import (
    DEFAULT,
    PROCESSES_MAX,
    PROFILES,
    Credentials,
    Format,
    Plan,
    PlanError,
    Values,
    check_urls,
    merged,
    nearest,
    read_profile,
    read_thresholds,
)
from load.scenarios.base import Parameters, Scenario
from load.scenarios.soak import SoakParameters
from load.scenarios.table import SCENARIOS
from load.thresholds import Threshold

RUN_KEYS: Final = ("processes", "format", "thresholds")
"""Keys of a profile's tables beside the parameters of scenarios."""

EPILOG: Final = (
    "A threshold is like p99<50ms, ack.p99<20ms, errors<0.1% or rate>1000. "
    "Exit codes: 0 passed, 1 a threshold or a check failed, 2 could not run, 3 the load itself was "
    "what was slow, so that the figures say nothing of the hub."
)


_Converted = TypeVar("_Converted")


class _Run(msgspec.Struct, frozen=True):
    """What a profile may say beside the parameters; see `RUN_KEYS`."""

    processes: Annotated[int, msgspec.Meta(ge=1, le=PROCESSES_MAX)] = 1
    format: Format = "json"


class Option(NamedTuple):
    """A parameter, as the command line has it."""

    key: str
    description: str
    default: Any

    @property
    def flag(self) -> str:
        """`--warm-up-s`."""
        return "--" + self.key.replace("_", "-")


def options_of(parameters: type[Parameters]) -> Iterator[Option]:
    """Every field of the parameters."""
    info = msgspec.inspect.type_info(parameters)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        kind = field.type
        schema = kind.extra_json_schema if isinstance(kind, msgspec.inspect.Metadata) else None
        yield Option(field.name, (schema or {}).get("description", ""), field.default)


def keys_of(scenario: type[Scenario]) -> tuple[str, ...]:
    """What a profile's table for the scenario may have."""
    return (*RUN_KEYS, *(option.key for option in options_of(scenario.parameters_type)))


def parameters_in(tables: Mapping[str, Values], scenario: type[Scenario]) -> Parameters:
    """Those of a scenario, as a profile has them. Raises PlanError."""
    keys = {name: keys_of(each) for name, each in SCENARIOS.items()}
    values = merged(tables, scenario.name, {}, keys)
    known = {key: value for key, value in values.items() if key not in RUN_KEYS}
    return _converted(known, scenario.parameters_type)


def add_scenarios(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """A command for each scenario."""
    for scenario in SCENARIOS.values():
        parser = commands.add_parser(
            scenario.name,
            help=scenario.summary,
            description=scenario.summary,
            epilog=EPILOG,
            # `--rate` is not to mean `--rate-of-something` once there is one.
            allow_abbrev=False,
        )
        parser.set_defaults(scenario=scenario.name)
        _add_run(parser)
        group = parser.add_argument_group(
            "parameters of the scenario", f"In brackets what they are in the profile {DEFAULT}."
        )
        defaults = msgspec.to_builtins(parameters_in(read_profile(DEFAULT), scenario))
        for option in options_of(scenario.parameters_type):
            text = f"{option.description} ({defaults[option.key]})".replace("%", "%%")
            group.add_argument(option.flag, metavar="X", help=text)
        if issubclass(scenario.parameters_type, SoakParameters):
            text = "only print what will be broken when, which follows from the seed"
            parser.add_argument("--faults-list", action="store_true", help=text)


def _add_run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--url", action="append", default=[], help="a hub, ws:// or wss://; may be repeated")
    add("--secret-file", default="", metavar="FILE", help="the HS256 secret to make tokens with")
    add("--tokens", default="", metavar="FILE", help="tokens, one a line, dealt in turn")
    add("--api-key-file", default="", metavar="FILE", help="a key to take away what is kept")
    add("--ca-file", default="", metavar="FILE", help="authorities to believe for wss:// (PEM)")
    profiles = ", ".join(PROFILES)
    add("--profile", default=DEFAULT, help=f"{profiles}, or a TOML file ({DEFAULT})")
    add("--format", choices=("json", "protobuf"), help="what clients speak (json)")
    add("--processes", metavar="N", help="processes of the load, a core each (1)")
    add("--seed", type=int, default=1, help="what is chosen at random follows from it (1)")
    add("--threshold", action="append", metavar="T", help="in place of the profile's; repeatable")
    add("--until", metavar="T", help="raise the load until this threshold breaks")
    add("--source", action="append", default=[], metavar="IP", help="connect from; repeatable")
    add("--out", default="", metavar="DIR", help="folder for the report (none)")
    add("--hub-pid", type=int, metavar="PID", help="a hub here: its memory and CPU are drawn")


def plan_of(arguments: argparse.Namespace) -> Plan:
    """What to run. Raises PlanError with all that is wrong, as far as it can be told at once."""
    scenario = SCENARIOS[arguments.scenario]
    tables = read_profile(arguments.profile)
    given = {
        option.key: value
        for option in options_of(scenario.parameters_type)
        if (value := getattr(arguments, option.key)) is not None
    }
    for key in ("processes", "format"):
        if getattr(arguments, key) is not None:
            given[key] = getattr(arguments, key)
    if arguments.threshold is not None:
        given["thresholds"] = arguments.threshold
    keys = {name: keys_of(each) for name, each in SCENARIOS.items()}
    values = merged(tables, scenario.name, given, keys)
    thresholds = read_thresholds(values.pop("thresholds", ()), "thresholds")
    until = read_thresholds([arguments.until], "--until")[0] if arguments.until else None
    _check_names(thresholds, "thresholds", scenario)
    _check_names((until,) if until else (), "--until", scenario)
    if arguments.secret_file and arguments.tokens:
        raise PlanError(["--secret-file or --tokens, not both"])
    run = _converted({key: values.pop(key) for key in RUN_KEYS if key in values}, _Run)
    parameters = _converted(values, scenario.parameters_type)
    urls = check_urls(arguments.url or urls_of(parameters))
    if arguments.ca_file and not any(url.startswith("wss:") for url in urls):
        raise PlanError(["--ca-file is for wss://, and no --url is that"])
    return Plan(
        scenario=scenario.name,
        urls=urls,
        parameters=msgspec.to_builtins(parameters),
        thresholds=thresholds,
        until=until,
        credentials=Credentials(arguments.secret_file, arguments.tokens, arguments.api_key_file),
        format=run.format,
        processes=run.processes,
        seed=arguments.seed,
        ca_file=arguments.ca_file,
        sources=tuple(arguments.source),
        out=arguments.out,
        hub_pid=arguments.hub_pid,
    )


def _check_names(thresholds: Sequence[Threshold], path: str, scenario: type[Scenario]) -> None:
    """Raises PlanError for what asks about something that the scenario does not measure."""
    subject = scenario.subject
    problems = []
    for threshold in thresholds:
        if name := subject.unknown(threshold):
            known = subject.waits if threshold.histogram else (*subject.counters, *subject.waits)
            problems.append(
                f"{path}: {threshold.text}: {scenario.name} measures no {name}"
                f"{nearest(name, known)}, only {', '.join(dict.fromkeys(known))}"
            )
    if problems:
        raise PlanError(problems)


def urls_of(parameters: Parameters) -> Sequence[str]:
    """Hubs that the run itself starts: no `--url` is needed for those. Raises PlanError."""
    if not isinstance(parameters, SoakParameters) or not parameters.nodes:
        return ()
    return read_nodes(parameters.nodes).urls


def scenario_of(name: str, parameters: Mapping[str, Any]) -> Scenario:
    """The scenario, made from its parameters. Raises PlanError."""
    kind = SCENARIOS[name]
    return kind(_converted(parameters, kind.parameters_type))


def _converted(values: Mapping[str, Any], kind: type[_Converted]) -> _Converted:
    try:
        # Not strict: the command line gives texts where profiles give numbers.
        return msgspec.convert(dict(values), kind, strict=False)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        raise PlanError([f"{path.rstrip('`') or 'parameters'}: {problem}"]) from None
