"""Memory and CPU of a hub on this machine, from a made-up `/proc` and from the real one."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from load.report.hub_samples import HubSample, HubSampler, family, hub_pid

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


def _process(
    proc: Path,
    pid: int,
    *,
    parent: int = 1,
    cpu_s: float = 0.0,
    rss_kb: int = 4_000,
    children: str = "",
    inode: int = 0,
    name: str = "a hub) S 9 (",
) -> None:
    """What the kernel shows of a process; its name has what would lead a careless reader astray."""
    here = proc / str(pid)
    (here / "task" / str(pid)).mkdir(parents=True, exist_ok=True)
    (here / "task" / str(pid) / "children").write_text(children)
    (here / "fd").mkdir(exist_ok=True)
    if inode:
        (here / "fd" / "7").symlink_to(f"socket:[{inode}]")
    fields = ["0"] * 50
    fields[0], fields[1] = "S", str(parent)
    fields[11], fields[12] = str(int(cpu_s * TICKS) - 1), "1"
    fields[21] = str(rss_kb // PAGE_KB)
    (here / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")


def _listening(proc: Path, *, port: int, inode: int) -> None:
    (proc / "net").mkdir(exist_ok=True)
    (proc / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st\n"
        f"   0: 0100007F:{port:04X} 0100007F:9C40 01 0:0 00:0 0 0 0 {inode + 1} 1\n"
        f"   1: 0100007F:{port:04X} 00000000:0000 0A 0:0 00:0 0 0 0 {inode} 1\n"
    )


def test_samples_are_of_the_process_and_all_that_it_started(tmp_path: Path) -> None:
    now = 100.0
    _process(tmp_path, 10, cpu_s=5.0, children="11 ")
    _process(tmp_path, 11, parent=10, cpu_s=2.0, rss_kb=8_000)
    _process(tmp_path, 12, cpu_s=70.0)
    sampler = HubSampler(10, proc=tmp_path, clock_s=lambda: now)
    assert sampler.sample()
    now = 101.0
    _process(tmp_path, 10, cpu_s=5.5, children="11 13")
    _process(tmp_path, 11, parent=10, cpu_s=2.25, rss_kb=8_000)
    _process(tmp_path, 13, parent=10, cpu_s=0.25)
    assert sampler.sample()
    assert sampler.samples == [HubSample(0.0, 12_000, 0.0), HubSample(1.0, 16_000, 1.0)]


def test_a_worker_that_ends_takes_nothing_away(tmp_path: Path) -> None:
    _process(tmp_path, 10, cpu_s=5.0, children="11")
    _process(tmp_path, 11, parent=10, cpu_s=3.0)
    sampler = HubSampler(10, proc=tmp_path, clock_s=lambda: 0.0)
    sampler.sample()
    _process(tmp_path, 10, cpu_s=6.0, children="11")
    (tmp_path / "11" / "stat").unlink()
    sampler.sample()
    assert sampler.samples[-1] == HubSample(0.0, 4_000, 1.0)


def test_a_hub_that_was_killed_is_gone_though_nobody_has_waited_for_it(tmp_path: Path) -> None:
    _process(tmp_path, 10)
    sampler = HubSampler(10, proc=tmp_path)
    assert sampler.sample()
    stat = tmp_path / "10" / "stat"
    stat.write_text(stat.read_text().replace(") S 1 ", ") Z 1 "))
    assert not sampler.sample()
    assert len(sampler.samples) == 1


async def test_sampling_ends_with_the_process(tmp_path: Path) -> None:
    sampler = HubSampler(10, proc=tmp_path)
    async with asyncio.timeout(5):
        await sampler.run()
    assert sampler.samples == []


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("ws://127.0.0.1:8000/connection/websocket", 20),
        ("ws://127.9.9.9:8000", 20),
        ("wss://localhost:8000", 20),
        ("ws://127.0.0.1:8001", None),
        ("ws://192.0.2.7:8000", None),
        ("ws://hub.example:8000", None),
        ("ws://127.0.0.1:port", None),
        ("ws://127.0.0.1", None),
    ],
)
def test_a_hub_is_found_by_the_port_of_a_url_of_this_machine(
    tmp_path: Path, url: str, found: int | None
) -> None:
    _listening(tmp_path, port=8000, inode=4711)
    _process(tmp_path, 9, inode=4712)  # a client of the hub
    _process(tmp_path, 12, parent=20, inode=4711)
    _process(tmp_path, 20, children="12", inode=4711)
    assert hub_pid([url], tmp_path) == found


def test_where_proc_tells_nothing_nothing_is_found(tmp_path: Path) -> None:
    assert hub_pid(["ws://127.0.0.1:8000"], tmp_path / "none") is None
    _listening(tmp_path, port=8000, inode=4711)
    _process(tmp_path, 10)
    (tmp_path / "10" / "fd").rmdir()
    assert hub_pid(["ws://127.0.0.1:8000"], tmp_path) is None
    assert family(99, tmp_path) == [99]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc on this machine")
def test_the_real_proc_tells_of_this_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert hub_pid([f"ws://127.0.0.1:{port}"]) in {os.getpid(), os.getppid()}
    sampler = HubSampler(os.getpid())
    assert sampler.sample()
    sum(index * index for index in range(2_000_000))
    assert sampler.sample()
    first, last = sampler.samples
    assert last.rss_kb > 10_000
    assert 0.0 < last.cpu_s - first.cpu_s < 30.0
