"""What a run leaves in a folder, and what is read from there again."""

from pathlib import Path

import pytest

from load.__main__ import main
from load.report.files import UnreadableResult, read, write
from tests.support.load_results import SUBJECT, result


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    paths = write(result(), tmp_path / "new" / "folder", SUBJECT)
    assert [path.name for path in paths] == ["result.json", "report.html", "junit.xml"]
    assert read(paths[0]) == result()
    assert paths[1].read_text("utf-8").startswith("<!DOCTYPE html>")
    assert paths[2].read_text("utf-8").startswith("<?xml")


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a file"
    file.write_text("kept")
    for out, why in ((file, "File exists"), (file / "below", "Not a directory")):
        assert main(["rooms", "--url", "ws://127.0.0.1:1", "--out", str(out)]) == 2
        assert capsys.readouterr().err == f"load: --out {out}: {why}\n"
    assert file.read_text() == "kept"
    assert main(["rooms", "--url", "ws://127.0.0.1:1", "--out", str(tmp_path / "new")]) == 2
    assert "cannot connect" in capsys.readouterr().err
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a result of a load run"),
        (b'{"load": 5}', "not a result of a load run"),
        (b"\xff\xfe", "not a result of a load run"),
        (None, "No such file"),
    ],
)
def test_what_is_no_result_is_told_with_its_path(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableResult, match=problem) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
