"""`realtime worker`."""

from pathlib import Path

import pytest

from realtime.cli import main
from tests.unit.cli.fake_wiring import FakeWiring
from workers.worker import Worker

Output = pytest.CaptureFixture[str]


def test_it_works_on_the_store_that_hubs_share(folder: Path, wiring: FakeWiring) -> None:
    (folder / "hub.toml").write_text('[store]\nurl = "mongodb://h"')
    assert main(["worker", "--config", "hub.toml"]) == 0
    ((settings, make),) = wiring.worked
    assert settings.store.url == "mongodb://h"
    assert make is Worker


def test_an_sqlite_database_is_its_hubs_own(wiring: FakeWiring, capsys: Output) -> None:
    assert main(["worker"]) == 2
    assert capsys.readouterr().err == (
        "realtime: store.url: a worker needs MongoDB; an SQLite database is its hub's own\n"
    )
    assert not wiring.worked
