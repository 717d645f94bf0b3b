"""A secret in a file."""

import stat
from pathlib import Path

import pytest

from realtime.settings.kept_secret import keep_secret, new_secret, read_secret
from realtime.settings.secret import Secret
from realtime.settings.text_file import Unreadable


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    made = keep_secret(file)
    assert keep_secret(file) == made
    assert read_secret(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_reading_makes_none(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        read_secret(tmp_path / "secret")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [31, 32])
def test_it_has_at_least_32_bytes(tmp_path: Path, length: int) -> None:
    file = tmp_path / "secret"
    file.write_text("x" * length + "\n")
    if length == 32:
        assert read_secret(file) == Secret("x" * 32)
    else:
        with pytest.raises(Unreadable, match="less than 32 bytes"):
            read_secret(file)


def test_every_new_one_is_another_and_fit_for_a_header() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(first) == 64
    assert first.replace("-", "").replace("_", "").isalnum()
