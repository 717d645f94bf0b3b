"""`realtime fakepush`."""

import asyncio
import signal
import socket
import sys
import tomllib
from pathlib import Path

import aiohttp
import pytest

from realtime.cli import main

Output = pytest.CaptureFixture[str]


async def test_it_prints_settings_serves_and_ends_when_told(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "realtime", "fakepush", "--port", "0"),
        *("--directory", str(folder)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            printed = (await process.stdout.readuntil(b"origins = [")).decode()
            printed += (await process.stdout.readline()).decode()
            settings = tomllib.loads(printed)
            inspect_url = printed.partition("inspect API at ")[2].partition(";")[0]
            async with aiohttp.ClientSession() as client, client.get(inspect_url) as answer:
                assert (await answer.json())["settings"] == settings
            assert Path(settings["apns"]["ca_file"]).parent == folder
            account = await asyncio.to_thread(Path(settings["fcm"]["credentials_file"]).read_text)
            assert "BEGIN PRIVATE KEY" in account
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_a_port_that_is_taken_is_for_the_operator(capsys: Output) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        # Also the last of the five counts; which of them it is, is not asked.
        port = min(taken.getsockname()[1], 65_531)
        assert main(["fakepush", "--port", str(port)]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "in use" in output.err


@pytest.mark.parametrize("port", ["x", "-1", "65532"])
def test_five_ports_must_fit(port: str, capsys: Output) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["fakepush", "--port", port])
    assert stopped.value.code == 2
    assert "0 to 65531" in capsys.readouterr().err
