"""Every scenario, briefly: what an operator's three hubs survive. `python -m tests.faults` is the
same for longer, and with other seeds. Clients are of every language, transport and format that this
machine has."""

from pathlib import Path
from typing import Final

import pytest

from tests.faults.catalogue import SCENARIOS
from tests.faults.rig import open_rig
from tests.faults.run import Run
from tests.support.sdks import Sdks

ALIKE: Final = frozenset({"rolling", "drain", "mixed"})
"""Those that differ little from what always runs: hubs are stopped one after the other behind a
proxy (`tests/end_to_end/test_rolling_restart.py`), and a mixture is of the others."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.thorough if name in ALIKE else ()) for name in SCENARIOS],
)
async def test_nothing_is_lost_repeated_or_out_of_order(
    name: str, tmp_path: Path, sdks: Sdks
) -> None:
    scenario = SCENARIOS[name]
    async with open_rig(tmp_path, nodes=3, proxied=scenario.proxied) as rig:
        verdict = await Run(rig, scenario, seconds=scenario.brief_seconds, sdks=sdks).perform()
    # pytest shows it where the test fails.
    print(verdict.line(), *verdict.details(), sep="\n")  # noqa: T201
    assert verdict.findings == ()
    assert verdict.acked > 200
    # Something was eaten that somebody missed, or nothing was tried.
    assert verdict.denied or name != "retention"
