"""A missing program is a skip in sight, and a failure in CI."""

import sys

import pytest

from tests.support.programs import require

MISSING = "no-such-program-anywhere"


def test_a_program_that_is_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", sys.executable.rsplit("/", 1)[0])
    assert require(sys.executable.rsplit("/", 1)[1], "unused").startswith("/")


def test_a_missing_program_skips_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"{MISSING} is not installed: apt install it"):
        require(MISSING, "apt install it")


def test_a_missing_program_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=f"{MISSING} is not installed: apt install it"):
        require(MISSING, "apt install it")
