"""What the processes of a run are told, as far as it can be wrong before anything is started."""

from pathlib import Path

import msgspec
import pytest

from load.execution import shares_of
from load.options import scenario_of
from load.plan import Plan, PlanError
from load.scenarios.fanout import FanoutParameters
from tests.support.certificates import make_certificate

PLAN = Plan(
    scenario="fanout",
    urls=("wss://127.0.0.1:8000/",),
    parameters=msgspec.to_builtins(FanoutParameters()),
)


def test_every_process_is_told_whom_to_believe(tmp_path: Path) -> None:
    path = str(make_certificate(tmp_path).certificate)
    plan = msgspec.structs.replace(PLAN, ca_file=path, processes=2)
    shares = shares_of(plan, scenario_of("fanout", plan.parameters), "run")
    assert [(share.index, share.ca_file) for share in shares] == [(0, path), (1, path)]


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_authorities_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_text(content)
    plan = msgspec.structs.replace(PLAN, ca_file=str(path))
    with pytest.raises(PlanError, match=f"--ca-file {path}: "):
        shares_of(plan, scenario_of("fanout", plan.parameters), "run")
