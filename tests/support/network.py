"""A network that can be cut: a namespace with a link of its own, for peers that vanish.

A peer on the same machine always answers for itself: its kernel acknowledges what it is sent, and
says so when it is gone. One in a namespace whose link is down does neither.
"""

import contextlib
import ctypes
import os
import random
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.programs import require

_WAIT_S: Final = 10.0
_CLONE_NEWNET: Final = 0x40000000
_FOLDER: Final = Path("/run/netns")


class Network:
    """A namespace at one end of a link, this machine at the other: `here` is its address."""

    def __init__(self, name: str, here: str) -> None:
        self.name = name
        self.here = here

    def connect(self, port: int) -> socket.socket:
        """A TCP connection from the namespace to a port at `here`."""
        made: list[socket.socket | OSError] = []

        def dial() -> None:
            # The namespace is the thread's alone, and the socket stays in it.
            try:
                _enter(_FOLDER / self.name)
                made.append(socket.create_connection((self.here, port), _WAIT_S))
            except OSError as error:
                made.append(error)

        thread = threading.Thread(target=dial)
        thread.start()
        thread.join()
        (found,) = made
        if isinstance(found, OSError):
            raise found
        return found

    def cut(self) -> None:
        """Let nothing through any more, in either direction, and have nobody told."""
        _ip("-n", self.name, "link", "set", "inner", "down")


@contextlib.contextmanager
def open_network() -> Iterator[Network]:
    """A network; skips the test where this process may not make one."""
    require("ip", "apt-get install iproute2")
    if os.geteuid() != 0:
        pytest.skip("a network that can be cut needs root")
    number = random.randrange(1, 250)  # noqa: S311 - a name, no secret
    name, link = f"rt{os.getpid()}-{number}", f"rt{os.getpid() % 10**6}-{number}"[:15]
    here, there = f"10.213.{number}.1", f"10.213.{number}.2"
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError:
        pytest.skip("this machine allows no network namespaces")
    try:
        _ip("link", "add", link, "type", "veth", "peer", "name", "inner", "netns", name)
        _ip("address", "add", f"{here}/30", "dev", link)
        _ip("link", "set", link, "up")
        _ip("-n", name, "address", "add", f"{there}/30", "dev", "inner")
        _ip("-n", name, "link", "set", "inner", "up")
        yield Network(name, here)
    finally:
        # The link goes with the namespace, once no socket is in it.
        subprocess.run(["ip", "link", "delete", link], capture_output=True, check=False, timeout=10)
        _ip("netns", "delete", name)


def _enter(path: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(descriptor)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=_WAIT_S)
