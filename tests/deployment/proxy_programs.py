"""How the two proxies are started and checked, with their shipped configurations."""

from dataclasses import dataclass
from typing import Final

from tests.deployment.asking import status
from tests.deployment.children import Child, Children
from tests.deployment.command import CONFIG, Command
from tests.deployment.places import Places
from tests.support.programs import require


@dataclass(frozen=True, slots=True)
class ProxyProgram:
    """A proxy: its file in `config/`, where that is mounted, how it is run, and how checked."""

    name: str
    file: str
    run: tuple[str, ...]
    check: tuple[str, ...]

    def install(self, places: Places) -> None:
        """Put the configuration where it belongs; gives up on the test without the program."""
        require(self.name, f"apt-get install {self.name}")
        text = (CONFIG / self.file).read_text(encoding="utf-8")
        places.write(f"/etc/{self.name}/{self.file}", places.here(text, "proxy"))

    def start(self, places: Places, children: Children) -> Child:
        """Start it, and wait until it listens."""
        child = children.start(self.name, *places.command(self._command(*self.run)))
        # Whatever it answers while it has no hub.
        url = f"http://{places.addresses['proxy']}:8080/nobody"
        child.until(lambda: status(url) > 0, "listening")
        return child

    def checked(self, places: Places, children: Children) -> str:
        """What it says of the configuration, which it must take."""
        done = children.run(*places.command(self._command(*self.check)))
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _command(self, *argv: str) -> Command:
        return Command(where=self.file, host="proxy", argv=argv, environment={})


NGINX: Final = ProxyProgram(
    "nginx",
    "nginx.conf",
    run=("nginx", "-c", "/etc/nginx/nginx.conf", "-g", "daemon off;"),
    check=("nginx", "-t", "-c", "/etc/nginx/nginx.conf"),
)
HAPROXY: Final = ProxyProgram(
    "haproxy",
    "haproxy.cfg",
    run=("haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"),
    check=("haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg"),
)
