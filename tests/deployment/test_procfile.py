"""The Procfile's lines, run as a platform runs them: by a shell, with its variables.

A platform gives PORT, and REDIS_URL and MONGODB_URI where it has those servers. Without them the
web process is the whole of it; a platform starts a worker only when it is told to.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.deployment.asking import status
from tests.deployment.children import Child, Children, started
from tests.deployment.command import CONFIG, ROOT
from tests.deployment.deployment import Deployment
from tests.support.configuration import API_KEY, HMAC_SECRET

WORKER_STAYS_S: Final = 2.0

pytestmark = pytest.mark.timeout(120)


def lines() -> dict[str, str]:
    """The commands by the names of their processes."""
    text = (ROOT / "Procfile").read_text(encoding="utf-8")
    return dict(line.split(": ", 1) for line in text.splitlines())


class Platform:
    """A folder with the repository's configuration, and the variables of an application."""

    def __init__(self, directory: Path, children: Children, **variables: str) -> None:
        (directory / "config").symlink_to(CONFIG, target_is_directory=True)
        self._children = children
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "REALTIME_AUTH__HMAC_SECRET": HMAC_SECRET,
            "REALTIME_API__KEYS": API_KEY,
            **variables,
        }

    def start(self, name: str, **variables: str) -> Child:
        """Start a process in the background; the shell makes room for it, as platforms' do."""
        command = ["sh", "-c", f"exec {lines()[name]}"]
        return self._children.start(name, command, {**self.environment, **variables})

    def release(self) -> str:
        """Run the line that comes before a new version; what it says."""
        done = self._children.run(["sh", "-c", lines()["release"]], self.environment)
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Platform]:
    """A platform with nothing beside the application."""
    with started(tmp_path) as children:
        yield Platform(tmp_path, children)


@pytest.fixture
def whole(deployment: Deployment, redis: Child, tmp_path: Path) -> Iterator[Platform]:
    """A platform that has a MongoDB and a Redis for the application."""
    places = deployment.places
    with started(tmp_path) as children:
        yield Platform(
            tmp_path,
            children,
            MONGODB_URI=places.mongodb_url,
            REDIS_URL=f"redis://{places.addresses['redis']}:6379",
        )


def serves(port: str) -> bool:
    """Whether a web process answers where the platform sends requests."""
    return status(f"http://127.0.0.1:{port}/ready") == 200


def test_the_processes_have_the_names_that_platforms_know() -> None:
    assert set(lines()) == {"release", "web", "worker"}


def test_one_web_process_needs_nothing_else(alone: Platform, unused_tcp_port: int) -> None:
    alone.release()
    port = str(unused_tcp_port)
    web = alone.start("web", PORT=port)
    web.until(lambda: serves(port), "serving")
    assert web.terminate() == 0, web.log


def test_a_worker_that_nobody_needs_says_so(alone: Platform) -> None:
    worker = alone.start("worker")
    assert worker.ended_within(20) == 2
    assert "MongoDB" in worker.log


def test_web_and_worker_share_what_the_platform_has(
    whole: Platform, unused_tcp_port_factory: Callable[[], int]
) -> None:
    whole.release()
    ports = [str(unused_tcp_port_factory()) for _ in range(2)]
    webs = [whole.start("web", PORT=port) for port in ports]
    for web, port in zip(webs, ports, strict=True):
        web.until(lambda port=port: serves(port), "serving")  # type: ignore[misc]
    worker = whole.start("worker")
    worker.until(lambda: "worker runs" in worker.log, "the worker runs")
    with pytest.raises(TimeoutError):
        worker.ended_within(WORKER_STAYS_S)
    for child in (*webs, worker):
        assert child.terminate() == 0, child.log
