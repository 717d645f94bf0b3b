"""Hubs under a soak: those that it starts are broken by a list, all that are here are watched.

`open_ordeal` starts what the file of nodes says. The `Ordeal` plays phases in the fleet's place: it
has the fleet play them, and meanwhile does what the list says, and looks each second at what every
hub holds. What it finds stands in what was measured, as counts and notes.
"""

import asyncio
import contextlib
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from load.children import Child, ChildFailed, run
from load.complaints import complaints
from load.faults import CLIENTS, Fault
from load.measured import NOTES_MAX, HubSeries, Mark, Measured
from load.nodes import Node, NodesFile, Service, filled, read_nodes
from load.plan import Plan, PlanError
from load.report.hub_samples import hub_pid
from load.running import Stage
from load.scenarios.base import Phase
from load.scenarios.soak import EXAMPLES_MAX, counter_of, faults_of, soak_parameters
from load.watching import Watching

PREPARE_S: Final = 60.0
"""How long each command of `prepare` may take, in seconds."""

MADE_SECRET: Final = "{folder}/secret"  # noqa: S105 - where it is
MADE_KEY: Final = "{folder}/api_key"
"""Where a file of nodes looks for what is made for the run: both are there in any case, and used by
the load where a node is told of them and the command line names no others."""

_LOOK_EVERY_S: Final = 1.0


class Ordeal:
    """See the module. `open_ordeal` makes one; `over` gives it the fleet."""

    def __init__(
        self,
        plan: Plan,
        faults: Sequence[Fault],
        nodes: Mapping[str, Child],
        services: Mapping[str, Child],
        say: Callable[[str], None],
    ) -> None:
        self.plan = plan
        """What to run, now that the hubs are known."""
        self._faults = faults
        self._nodes = nodes
        self._children = {**nodes, **services}
        self._say = say
        self._stage: Stage | None = None
        self._others = {} if nodes else _hubs_here(plan)
        self._watching = Watching()
        self._down: set[str] = set()
        """Those that are broken at the moment, on purpose."""
        self._counts: Counter[str] = Counter()
        self._notes: list[str] = []
        self._marks: list[Mark] = []
        self._began = 0.0

    def over(self, stage: Stage) -> "Ordeal":
        """Have this one play what is played here."""
        self._stage = stage
        return self

    @property
    def interrupted(self) -> bool:
        """See `load.running.Stage`."""
        return self._played.interrupted

    @property
    def series(self) -> HubSeries | None:
        """What all hubs that were started took together."""
        return self._watching.series if self._nodes else None

    @property
    def _played(self) -> Stage:
        assert self._stage is not None  # `over` comes before all
        return self._stage

    def watch(self) -> None:
        """Look at every hub of this machine for the first time: before clients come."""
        self._watching.look(self._pids())

    async def phase(self, phase: Phase) -> Measured:
        """See `load.running.Stage`."""
        self._counts.clear()
        self._notes.clear()
        self._marks.clear()
        self._began = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                doing = [group.create_task(self._break()), group.create_task(self._look())]
                try:
                    measured = await self._played.phase(phase)
                finally:
                    for one in doing:
                        one.cancel()
        except BaseExceptionGroup as errors:
            # What the phase has raised: what is done beside it raises nothing.
            raise errors.exceptions[0] from None
        finally:
            for child in self._children.values():
                child.thaw()
        if not self.interrupted:
            await self._judge()
        return self._with_findings(measured)

    def _with_findings(self, measured: Measured) -> Measured:
        cut = [
            Mark(at=fault.at_s, seconds=fault.lasts_s, what=f"{fault.kind} {fault.target}")
            for fault in self._faults
            if fault.target == CLIENTS and fault.at_s < measured.seconds
        ]
        return msgspec.structs.replace(
            measured,
            counts={**measured.counts, **self._counts},
            facts={**measured.facts, **self._watching.facts()},
            notes=[*self._notes, *measured.notes][:NOTES_MAX],
            marks=sorted([*measured.marks, *self._marks, *cut], key=lambda mark: mark.at),
        )

    # Breaking.

    async def _break(self) -> None:
        for fault in self._faults:
            if fault.target == CLIENTS:
                continue
            await asyncio.sleep(max(0.0, self._began + fault.at_s - time.monotonic()))
            await self._do(fault)

    async def _do(self, fault: Fault) -> None:
        child = self._children[fault.target]
        began = time.monotonic()
        what = f"{fault.kind} {fault.target}"
        do = {"kill": self._kill, "drain": self._drain, "freeze": self._freeze}[fault.kind]
        self._down.add(child.name)
        self._counts["faults"] += 1
        self._counts[f"fault_{fault.kind}"] += 1
        try:
            await do(child, fault.lasts_s)
        except (ChildFailed, TimeoutError) as error:
            self._found("N", f"{what}: {error or 'it is not gone after SIGKILL'}")
        finally:
            self._down.discard(child.name)
            took_s = time.monotonic() - began
            at_s = began - self._began
            self._marks.append(Mark(at=round(at_s, 1), seconds=round(took_s, 1), what=what))
        self._say(f"  {at_s:.1f} s: {what}, {took_s:.1f} s")

    async def _kill(self, child: Child, lasts_s: float) -> None:
        await child.kill()
        await asyncio.sleep(lasts_s)
        await child.start()

    async def _drain(self, child: Child, lasts_s: float) -> None:
        try:
            await child.stop()
        finally:
            await asyncio.sleep(lasts_s)
            await child.start()

    async def _freeze(self, child: Child, lasts_s: float) -> None:
        child.freeze()
        try:
            await asyncio.sleep(lasts_s)
        finally:
            child.thaw()

    # Watching.

    async def _look(self) -> None:
        while True:
            for child in self._children.values():
                if child.pid is None and child.name not in self._down:
                    await self._revive(child)
            # Blocks for some milliseconds; nothing here is timed.
            self._watching.look(self._pids())
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _revive(self, child: Child) -> None:
        """It has ended by itself, which is a finding; the load goes on, and it must come back."""
        self._found("N", f"{child.name} has ended by itself")
        self._say(f"  {time.monotonic() - self._began:.1f} s: {child.name} has ended by itself")
        self._down.add(child.name)
        try:
            await child.start()
        except ChildFailed as error:
            self._found("N", str(error))
        finally:
            self._down.discard(child.name)

    def _pids(self) -> dict[str, int]:
        """The hubs of this machine that run."""
        if self._nodes:
            return {name: child.pid for name, child in self._nodes.items() if child.pid is not None}
        return self._others

    async def _judge(self) -> None:
        """What is to be said now that the clients have gone."""
        leaks = await self._watching.leaks(self._pids)
        self._counts["hubs_watched"] = len(self._watching.names)
        for leak in leaks:
            self._found("F", leak)
        for child in self._nodes.values():
            self._counts["logs_read"] += 1
            for complaint in await asyncio.to_thread(complaints, child.log):
                self._found("G", f"{child.name}: {complaint}")

    def _found(self, letter: str, text: str) -> None:
        self._counts[counter_of(letter)] += 1
        # A hub that ends every second would leave no room for what the clients have found.
        if self._counts[counter_of(letter)] <= EXAMPLES_MAX:
            self._notes.append(f"{letter}: {text}")


@contextlib.asynccontextmanager
async def open_ordeal(plan: Plan, say: Callable[[str], None]) -> AsyncIterator[Ordeal]:
    """Start what the plan's file of nodes says, if it has one; all of it ends with the block.

    Raises PlanError where something does not start.
    """
    parameters = soak_parameters(plan.parameters)
    faults = faults_of(parameters, plan.seed)
    if not parameters.nodes:
        ordeal = Ordeal(plan, faults, {}, {}, say)
        ordeal.watch()
        yield ordeal
        return
    file = read_nodes(parameters.nodes)
    folder = _folder(plan.out)
    (folder / "secret").write_text(f"{secrets.token_hex(32)}\n")
    (folder / "api_key").write_text(f"{secrets.token_hex(32)}\n")
    nodes = _children(file, file.nodes, folder)
    services = _children(file, file.services, folder)
    say(f"logs and data of the nodes: {folder}")
    try:
        try:
            for service in services.values():
                await service.start()
            values = _values(folder)
            env = _env(file.env, values)
            for words in file.prepare:
                await run(words[0], filled(words, values), env, PREPARE_S)
            for node in nodes.values():
                await node.start()
        except ChildFailed as error:
            raise PlanError([f"--nodes {parameters.nodes}: {error}"]) from None
        ordeal = Ordeal(_with_credentials(plan, file, folder), faults, nodes, services, say)
        ordeal.watch()
        yield ordeal
    finally:
        for child in (*nodes.values(), *services.values()):
            await child.end()


def _hubs_here(plan: Plan) -> dict[str, int]:
    """Process ids of the plan's hubs that are on this machine."""
    if plan.hub_pid is not None:
        return {"the hub": plan.hub_pid}
    return {url: pid for url in plan.urls if (pid := hub_pid([url])) is not None}


def _folder(out: str) -> Path:
    """A new folder for the run, which only we may read: in it are secrets."""
    name = f"nodes-{datetime.now(UTC):%Y%m%d-%H%M%S}-"
    if out:
        Path(out).mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=name, dir=out or None)).resolve()


def _values(folder: Path) -> dict[str, Any]:
    return {"folder": folder, "python": sys.executable}


def _env(env: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    return dict(zip(env, filled(list(env.values()), values), strict=True))


def _children(
    file: NodesFile, processes: Mapping[str, Node] | Mapping[str, Service], folder: Path
) -> dict[str, Child]:
    found = {}
    values = _values(folder)
    for name, process in processes.items():
        data = folder / name
        data.mkdir()
        found[name] = Child(
            name,
            filled(process.command, values),
            address=process.address,
            log=folder / f"{name}.log",
            env=_env({**file.env, **process.env}, values),
            start_s=process.start_s,
            stop_s=process.stop_s,
        )
    return found


def _with_credentials(plan: Plan, file: NodesFile, folder: Path) -> Plan:
    """The plan, with what was made for the run where nothing else was named."""
    told = {*file.env.values()}
    for node in file.nodes.values():
        told.update(node.env.values())
    credentials = plan.credentials
    if MADE_SECRET in told and not (credentials.secret_file or credentials.tokens_file):
        credentials = msgspec.structs.replace(credentials, secret_file=str(folder / "secret"))
    if MADE_KEY in told and not credentials.api_key_file:
        credentials = msgspec.structs.replace(credentials, api_key_file=str(folder / "api_key"))
    return msgspec.structs.replace(plan, credentials=credentials)
