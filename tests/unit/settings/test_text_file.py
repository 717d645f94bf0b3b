"""Reading small text files."""

from pathlib import Path

import pytest

from realtime.settings.text_file import TEXT_MAX_BYTES, Unreadable, read_text


def test_a_text_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes("é\r\n\n".encode())
    assert read_text(str(file)) == "é\r\n\n"


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file or directory"):
        read_text(str(tmp_path / "nothing"))


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="Is a directory"):
        read_text(str(tmp_path))


def test_a_path_with_a_nul_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="not a path"):
        read_text("a\0b")


def test_bytes_that_are_not_text_are_unreadable_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(b"secret\xff")
    with pytest.raises(Unreadable) as caught:
        read_text(str(file))
    assert str(caught.value) == "not UTF-8"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("size", "fits"), [(TEXT_MAX_BYTES, True), (TEXT_MAX_BYTES + 1, False)])
def test_no_more_than_the_limit_is_read(tmp_path: Path, size: int, fits: bool) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"x" * size)
    if fits:
        assert len(read_text(str(file))) == size
    else:
        with pytest.raises(Unreadable, match="longer than 1048576 bytes"):
            read_text(str(file))
