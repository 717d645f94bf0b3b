"""A hub with its page, and a browser to look at it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.browser.dev_hub import DevHub
from tests.end_to_end.browser.window import Window
from tests.end_to_end.browser.windows import Browser, Windows, install, open_browser


@pytest.fixture
def dev_hub(tmp_path: Path) -> Iterator[DevHub]:
    """A hub that has just been started for the first time."""
    hub = DevHub(tmp_path)
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.fixture(scope="session")
def browser(pytestconfig: pytest.Config) -> Iterator[Browser]:
    """A browser for all tests, without windows."""
    with open_browser(install(pytestconfig.cache.mkdir("packages"))) as browser:
        yield browser


@pytest.fixture
async def windows(browser: Browser) -> AsyncIterator[Windows]:
    """Windows to open; none outlives the test, nor does what they keep."""
    windows = Windows(browser)
    yield windows
    await windows.close()


@pytest.fixture
async def alice(dev_hub: DevHub, windows: Windows) -> AsyncIterator[Window]:
    """A window in which nothing may go wrong unnoticed."""
    window = await windows.open(dev_hub.url, "alice")
    yield window
    assert (await window.seen()).complaints == []


@pytest.fixture
async def bob(dev_hub: DevHub, windows: Windows) -> AsyncIterator[Window]:
    """Another, of somebody who likes it dark."""
    window = await windows.open(dev_hub.url, "bob", scheme="dark")
    yield window
    assert (await window.seen()).complaints == []
