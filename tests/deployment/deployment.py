"""One deployment on this machine: where its commands run, what starts them, and its two servers."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.deployment import compose
from tests.deployment.children import Child, Children, started
from tests.deployment.command import CONFIG, Command
from tests.deployment.places import Places
from tests.support.mongo_servers import mongo_database, shared_mongo
from tests.support.programs import require


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where commands run, and what starts them."""

    places: Places
    children: Children

    def start(self, name: str, command: Command) -> Child:
        """Run a command in the background."""
        return self.children.start(name, *self.places.command(command))

    def is_well(self, check: Command) -> bool:
        """Whether a health check says so."""
        return self.children.run(*self.places.command(check)).returncode == 0

    def done(self, command: Command) -> str:
        """Run a command that must succeed; what it says."""
        ended = self.children.run(*self.places.command(command))
        assert ended.returncode == 0, f"{command}: exit {ended.returncode}\n{ended.stdout}"
        return ended.stdout

    def service(self, name: str) -> Child:
        """Start a service of the compose file, and wait until its health check says it is well."""
        child = self.start(name, compose.command(name))
        check = compose.health_check(name)
        child.until(lambda: self.is_well(check), "well")
        return child

    def redis(self) -> Child:
        """Start Redis as the compose file does."""
        require("redis-server", "apt-get install redis-server")
        require("redis-cli", "apt-get install redis-tools")
        return self.service("redis")


@contextlib.contextmanager
def open_mongodb() -> Iterator[str]:
    """An empty database of the server that tests have; `mongod` itself is in no registry."""
    with shared_mongo() as server, mongo_database(server) as url:
        yield url


@contextlib.contextmanager
def open_deployment(directory: Path, mongodb_url: str) -> Iterator[Deployment]:
    """An empty deployment in a folder; what is started in it ends with the block."""
    with started(directory / "logs") as children:
        places = Places(directory, mongodb_url=mongodb_url)
        # The image has it there.
        production = (CONFIG / "production.toml").read_text(encoding="utf-8")
        places.write("/etc/realtime/realtime.toml", production)
        yield Deployment(places, children)
