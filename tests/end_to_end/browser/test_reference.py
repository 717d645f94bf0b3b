"""The reference of the REST API as a page: on a phone, too, and without a complaint."""

from pathlib import Path

import pytest

from realtime.chat.table import ALL
from tests.end_to_end.browser.dev_hub import DevHub
from tests.end_to_end.browser.windows import Windows

# Starting Chromium, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("width", [360, 1280])
async def test_the_reference_has_every_operation_and_fits(
    dev_hub: DevHub, windows: Windows, tmp_path: Path, width: int
) -> None:
    window = await windows.open(dev_hub.url, "alice", width, 740)
    await window.visit(f"{dev_hub.url}/api/v1/docs")
    await window.shows("h1", "Realtime: chat and feeds")
    names = await window.texts("h3")
    assert sorted(names) == sorted(operation.name for operation in ALL)
    await window.screenshot(tmp_path / f"{width}.png")
    assert await window.overflow() <= 0
    await window.click('nav a[href="#errors"]')
    assert (await window.seen()).complaints == []
