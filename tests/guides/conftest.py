"""What the guides' tests share: folders with packages that are kept from run to run."""

from pathlib import Path

import pytest

from tests.guides import toolchains


@pytest.fixture(scope="session")
def cache(pytestconfig: pytest.Config) -> Path:
    """A folder of pytest's cache."""
    return pytestconfig.cache.mkdir("guides")


@pytest.fixture
def javascript(cache: Path) -> Path:
    """`node_modules` of the guides."""
    return toolchains.node_modules(cache)
