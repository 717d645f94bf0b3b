"""What stands for the hosts and paths of a deployment file while its commands run on this machine.

This table is all that a command is changed by before it runs:

    in the file                         here
    hub1, mongo, … as a host            an address of its own in 127.0.0.0/8; ports stay as they are
    172.31.77.10, …                     the same addresses: the compose file's own network
    0.0.0.0, 127.0.0.1                  the address of the host that the command runs on
    /run/secrets, /etc/realtime, …      folders in the test's own
    /opt/realtime/bin                   where the `realtime` under test is installed
    mongodb://mongo:27017/realtime?…    an empty database of the server that the tests have
"""

import os
import random
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.deployment.command import Command
from tests.support.configuration import API_KEY, HMAC_SECRET

MONGODB_URL: Final = "mongodb://mongo:27017/realtime?replicaSet=rs0"
HOSTS: Final = ("proxy", "hub1", "hub2", "hub", "store-init", "worker", "redis", "mongo")
"""Hosts in the order of their addresses, the first of which is `FIRST`."""

NETWORK: Final = "172.31.77"
FIRST: Final = 10
FOLDERS: Final = ("/run/secrets", "/etc/realtime", "/etc/nginx", "/etc/haproxy", "/tmp")  # noqa: S108
_OWN: Final = ("0.0.0.0", "127.0.0.1")  # noqa: S104 - read in a file, not listened on
_FOLDER: Final = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, FOLDERS))})(?=/)")
_HOST: Final = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, HOSTS))})(?=:\d)")
_OWN_ADDRESS: Final = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, _OWN))})(?![\w.])")
_PORTS: Final = (8000, 8080, 9000, 6379)
"""Where the hosts listen, all of them everywhere for simplicity."""

_TRIES: Final = 50


class Places:
    """Addresses and folders for one deployment; two of them do not meet.

    `mongodb_url` is the address of a database; nobody needs it who only reads settings.
    """

    def __init__(self, directory: Path, *, mongodb_url: str = MONGODB_URL) -> None:
        self.directory = directory
        self.mongodb_url = mongodb_url
        self.addresses = _free_addresses()
        for folder in FOLDERS:
            self.path(folder).mkdir(parents=True)
        self.write("/run/secrets/hmac", HMAC_SECRET + "\n")
        self.write("/run/secrets/hmac_previous", "")
        self.write("/run/secrets/api_keys", API_KEY + "\n")

    def path(self, path: str) -> Path:
        """Where that path of a container is here."""
        return self.directory / path.removeprefix("/")

    def write(self, path: str, text: str) -> Path:
        """Make a file of a container, with this text as it is."""
        here = self.path(path)
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_text(text, encoding="utf-8")
        return here

    def here(self, text: str, host: str) -> str:
        """Put the table into force on a text that stands on `host`."""
        # Its own address here is of no host of the file.
        pieces = [self._placed(piece, host) for piece in text.split(MONGODB_URL)]
        return self.mongodb_url.join(pieces)

    def _placed(self, text: str, host: str) -> str:
        text = _FOLDER.sub(lambda match: str(self.path(match[1])), text)
        text = text.replace("/opt/realtime/bin", str(Path(sys.executable).parent))
        text = text.replace(f"{NETWORK}.", self.addresses["proxy"].removesuffix(str(FIRST)))
        text = _OWN_ADDRESS.sub(self.addresses[host], text)
        return _HOST.sub(lambda match: self.addresses[match[1]], text)

    def command(self, command: Command) -> tuple[list[str], dict[str, str]]:
        """Arguments and the whole environment of a command, to be run here."""
        environment = {
            name: self.here(value, command.host) for name, value in command.environment.items()
        }
        # As a shell that Docker never asks would: nothing but PATH refers to another variable.
        environment["PATH"] = environment.get("PATH", "$PATH").replace("$PATH", os.environ["PATH"])
        return [self.here(word, command.host) for word in command.argv], environment


def _free_addresses() -> Mapping[str, str]:
    """One for each host, in a network where nobody listens; all of 127.0.0.0/8 is this machine."""
    for _ in range(_TRIES):
        network = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"  # noqa: S311
        addresses = {host: f"{network}.{number}" for number, host in enumerate(HOSTS, FIRST)}
        if not any(_is_taken(address) for address in addresses.values()):
            return addresses
    raise AssertionError(f"somebody listens on one of {_PORTS} at every address of this machine")


def _is_taken(address: str) -> bool:
    for port in _PORTS:
        with socket.socket() as probe:
            # As servers do that are started again.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return True
    return False
