"""What a test starts ends with it, with everything that it has started in turn."""

import os
import time
from pathlib import Path

import pytest

from tests.deployment.children import ChildFailed, started

_ENVIRONMENT = {"PATH": os.environ["PATH"]}


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended (proc(5), stat)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_childs_children_end_with_it(tmp_path: Path) -> None:
    with started(tmp_path) as children:
        child = children.start("parent", ["sh", "-c", "sleep 300 & echo $!; wait"], _ENVIRONMENT)
        child.until(lambda: child.log.endswith("\n"), "saying whom it has started")
        pid = int(child.log)
        assert is_running(pid)
    deadline = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(pid)


def test_a_child_that_ends_early_is_told_of_with_its_log(tmp_path: Path) -> None:
    with started(tmp_path) as children:
        child = children.start("short", ["sh", "-c", "echo no such setting; exit 2"], _ENVIRONMENT)
        with pytest.raises(ChildFailed, match="ended with 2:\nno such setting"):
            child.until(lambda: False, "well")
