"""Rules for every test: the production event loop, nothing dies unseen, hypothesis without luck."""

import asyncio
import gc
import logging
import os
from collections.abc import Callable, Iterator, Mapping

import hypothesis
import pytest
import uvloop

from tests.support.sdks import LEFT_OUT, Sdks

# A shared machine stalls now and then, so an example has no deadline; the test as a whole has one.
# In CI the examples are always the same: a run that fails tells something about the change.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run asynchronous tests and fixtures on the loop that the hub runs on."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which SDKs this machine lacks, where tests of a mixture have gone on without them."""
    if LEFT_OUT:
        terminalreporter.write_line(f"mixtures of SDKs were without {', '.join(sorted(LEFT_OUT))}")


class _Collector(logging.Handler):
    """Keeps what asyncio logs as an error: a task or callback whose exception nobody saw."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@pytest.fixture(autouse=True)
def _nothing_dies_unseen() -> Iterator[None]:
    """Fail a test that leaves an exception nobody retrieved (targets.md, G)."""
    collector = _Collector()
    logger = logging.getLogger("asyncio")
    logger.addHandler(collector)
    try:
        yield
        # The complaint comes when the task is freed, which may take a cycle of the collector.
        gc.collect(1)
    finally:
        logger.removeHandler(collector)
    if collector.messages:
        pytest.fail("asyncio complained:\n" + "\n".join(collector.messages), pytrace=False)


@pytest.fixture(scope="session")
def sdks(pytestconfig: pytest.Config) -> Iterator[Sdks]:
    """Every SDK, with the drivers that they need."""
    sdks = Sdks(pytestconfig.cache.mkdir("packages"))
    try:
        yield sdks
    finally:
        sdks.end()
