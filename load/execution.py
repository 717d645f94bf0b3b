"""A run on this machine, from a plan to a result: starts the fleet, plays, cleans up, tells."""

import asyncio
import contextlib
import importlib.metadata
import os
import platform
import secrets
import signal
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from load.descriptors import source_addresses
from load.fleet import Fleet, FleetFailed, Interrupted
from load.hubs import hub_versions
from load.measured import HubSeries, Result
from load.ordeal import Ordeal, open_ordeal
from load.plan import Plan, PlanError, shown_url
from load.progress import Progress
from load.report.hub_samples import HubSampler, hub_pid
from load.running import Played, Stage, play
from load.scenarios.base import Scenario
from load.scenarios.soak import Soak
from load.share import Share
from load.tokens import TokensError, read_secret, read_tokens

LEFT: Final = (
    "what the hub keeps of {channels}, if anything, stays there; --api-key-file takes it away"
)


def shares_of(plan: Plan, scenario: Scenario, run: str) -> list[Share]:
    """What each process of the run is told. Reads files. Raises PlanError, LimitError."""
    credentials = plan.credentials
    try:
        secret = read_secret(credentials.secret_file) if credentials.secret_file else ""
        tokens = read_tokens(credentials.tokens_file) if credentials.tokens_file else ()
    except TokensError as error:
        raise PlanError([str(error)]) from None
    _check_authorities(plan.ca_file)
    connections = scenario.connections(plan.processes) * plan.processes
    hubs = [f"{parts.hostname}:{parts.port or ''}" for parts in map(urlsplit, plan.urls)]
    sources = source_addresses(connections, hubs, plan.sources)
    return [
        Share(
            player=scenario.player,
            parameters=dict(plan.parameters),
            urls=plan.urls,
            format=plan.format,
            seed=plan.seed,
            run=run,
            index=index,
            processes=plan.processes,
            ca_file=plan.ca_file,
            sources=sources,
            secret=secret,
            tokens=tokens,
        )
        for index in range(plan.processes)
    ]


async def execute(plan: Plan, scenario: Scenario, progress: Progress) -> Result:
    """Run all of it. Ctrl-C ends the phase that runs, and the result is of what ran; a second one
    ends the run without a result.

    Raises PlanError, LimitError and FleetFailed where it cannot run.
    """
    if not isinstance(scenario, Soak):
        return await _execute(plan, scenario, progress, None)
    async with open_ordeal(plan, progress.say) as ordeal:
        return await _execute(ordeal.plan, scenario, progress, ordeal)


async def _execute(
    plan: Plan, scenario: Scenario, progress: Progress, ordeal: Ordeal | None
) -> Result:
    run = secrets.token_hex(4)
    shares = shares_of(plan, scenario, run)
    key = _api_key(plan)
    started = datetime.now(UTC)
    versions = await hub_versions(shares[0])
    played = Played()
    fleet = Fleet(shares, clients=scenario.connections(plan.processes), report=progress.show)
    stage = ordeal.over(fleet) if ordeal is not None else fleet
    async with _sampled(plan) as sampler, fleet:
        with _interrupting(fleet):
            failure = await _play(plan, scenario, fleet, stage, played, progress)
    channels = scenario.leaves(run)
    if channels and key:
        # Few runs need it, and it takes as long to load as all the rest.
        from load.cleaning import remove_history

        problem = await remove_history(plan.urls[0], key, channels, ca_file=plan.ca_file)
        if problem:
            played.notes.append(f"history of the run's channels is not removed: {problem}")
    elif channels and played.phases:
        several = f"{len(channels):,} channels ({channels[0]}, …)"
        progress.say(LEFT.format(channels=several if len(channels) > 1 else channels[0]))
    if failure is not None and not played.phases:
        raise failure
    samples = [(one.t_s, one.rss_kb, one.cpu_s) for one in sampler.samples] if sampler else []
    hub = HubSeries(samples=samples) if samples else None
    return Result(
        load=_version(),
        scenario=scenario.name,
        parameters=dict(plan.parameters),
        seed=plan.seed,
        urls=[shown_url(url) for url in plan.urls],
        hub_versions=versions if any(versions) else [],
        format=plan.format,
        started_at=started.isoformat(timespec="seconds"),
        phases=played.phases,
        verdict=played.verdict,
        hub=(ordeal and ordeal.series) or hub,
        checks=played.checks,
        thresholds=played.thresholds,
        versions=_versions(),
        notes=played.notes,
    )


async def _play(
    plan: Plan, scenario: Scenario, fleet: Fleet, stage: Stage, played: Played, progress: Progress
) -> FleetFailed | None:
    """Play, and clean up; gives why the run did not come to its end, if it did not."""
    failure = None
    processes = "process" if plan.processes == 1 else "processes"
    progress.say(f"{scenario.name}: {plan.processes} {processes}, {plan.format}")
    try:
        await fleet.setup()
        if not fleet.interrupted:
            await play(plan, scenario, stage, played, progress.done)
    except Interrupted:
        played.verdict = "interrupted"
    except FleetFailed as error:
        failure = error
        # The hub that a load has felled, say: what it did before is what one wants to know.
        played.verdict = "failed"
        played.notes.append(f"it could not go on: {error}")
        if plan.until is None:
            played.checks = scenario.checks(played.phases)
    try:
        await fleet.cleanup()
    except FleetFailed as error:
        # What was measured before is no less true.
        played.notes.append(f"not all of the run is taken away: {error}")
    return failure


@contextlib.contextmanager
def _interrupting(fleet: Fleet) -> Iterator[None]:
    """Have the first Ctrl-C end the phase, and the second the program."""
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        fleet.interrupt()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


@contextlib.asynccontextmanager
async def _sampled(plan: Plan) -> AsyncIterator[HubSampler | None]:
    """Sample the hub, if it is on this machine."""
    pid = plan.hub_pid or hub_pid(plan.urls)
    if pid is None:
        yield None
        return
    sampler = HubSampler(pid)
    try:
        async with asyncio.TaskGroup() as group:
            sampling = group.create_task(sampler.run())
            try:
                yield sampler
            finally:
                sampling.cancel()
    except BaseExceptionGroup as errors:
        # What the run itself raised; the sampling raises nothing.
        raise errors.exceptions[0] from None


def _check_authorities(path: str) -> None:
    """Read what no process of the load is to stumble over. Raises PlanError."""
    try:
        ssl.create_default_context(cafile=path or None)
    except OSError as error:
        raise PlanError([f"--ca-file {path}: {error.strerror or error}"]) from None


def _api_key(plan: Plan) -> str:
    path = plan.credentials.api_key_file
    try:
        return Path(path).read_text("utf-8").strip() if path else ""
    except (OSError, UnicodeDecodeError):
        raise PlanError([f"--api-key-file {path}: cannot be read"]) from None


def _version() -> str:
    try:
        return importlib.metadata.version("realtime")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cpus": str(os.cpu_count() or 0),
    }
