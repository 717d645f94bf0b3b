"""A port that is reserved for several processes."""

import contextlib
import errno
import socket
from collections.abc import Iterator

import pytest

from realtime.server.ports import Reservation, cannot_listen, reserve


@pytest.fixture
def reserved() -> Iterator[Reservation]:
    """Any free port of 127.0.0.1."""
    reserved = reserve("127.0.0.1", 0)
    yield reserved
    reserved.close()


@contextlib.contextmanager
def listening(port: int, *, shared: bool) -> Iterator[socket.socket]:
    """A socket that listens on the port of 127.0.0.1."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        listener.settimeout(5)
        yield listener


def test_it_can_be_shared_and_takes_no_connection_itself(reserved: Reservation) -> None:
    with listening(reserved.port, shared=True) as one, listening(reserved.port, shared=True) as two:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", reserved.port), 5):
                pass
        accepted = 0
        for listener in (one, two):
            listener.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    accepted += 1
    assert accepted == 20


def test_nobody_listens_as_long_as_no_worker_does(reserved: Reservation) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", reserved.port), 5)


def test_it_is_kept_from_who_would_have_it_alone(reserved: Reservation) -> None:
    with (
        listening(reserved.port, shared=True),
        pytest.raises(OSError, match="in use"),
        listening(reserved.port, shared=False),
    ):
        pass


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_that_somebody_listens_on_cannot_be_had(shared: bool) -> None:
    """Though he may let us share it: the kernel would give each a part of the connections."""
    with listening(0, shared=shared) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=rf"^server.port: .* 127.0.0.1:{port}: Address already"):
            reserve("127.0.0.1", port)


def test_the_option_for_another_port_is_named_where_it_is_of_use() -> None:
    taken, forbidden = OSError(errno.EADDRINUSE, "taken"), OSError(errno.EACCES, "forbidden")
    assert str(cannot_listen("::1", 80, taken)).endswith("in use; --port takes another")
    assert "--port" not in str(cannot_listen("::1", 80, taken, "internal_port"))
    assert "--port" not in str(cannot_listen("::1", 80, forbidden))


def test_a_host_that_is_not_here_cannot_be_had() -> None:
    with pytest.raises(OSError, match=r"^server.port: cannot listen on 192.0.2.1:0: "):
        reserve("192.0.2.1", 0)


def test_a_name_of_several_addresses_has_one_port_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    found = [(*stream, (host, 0)) for host in ("127.0.0.1", "127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    reserved = reserve("hub.example", 0)
    try:
        assert reserved.hosts == ["127.0.0.1", "127.0.0.2"]
        with listening(reserved.port, shared=True):
            pass
    finally:
        reserved.close()
