"""The rule for what a test needs and the machine may lack: skip in sight, fail in CI."""

import os
import shutil
from typing import NoReturn

import pytest


def absent(what: str, hint: str) -> NoReturn:
    """Give up on the running test, for `what` is not there; `hint` says what to install.

    A skip that pytest reports, or a failure where the environment variable CI is set: a skipped
    promise must not look like a kept one.
    """
    reason = f"{what}: {hint}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def require(program: str, hint: str) -> str:
    """Answer the path of `program`, or give up on the running test as `absent` does."""
    path = shutil.which(program)
    if path is None:
        absent(f"{program} is not installed", hint)
    return path
