"""A row of failures is two lines of the log, however long it is."""

import logging

import pytest

from realtime.cluster.outage import Outage
from realtime.errors import StoreUnavailable


def test_an_outage_is_logged_once_at_each_end(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(logging.getLogger("test"), "the harvest")
    with caplog.at_level(logging.INFO):
        outage.ended()
        outage.failed(TimeoutError())
        outage.failed(StoreUnavailable("away"))
        assert outage.lasts
        outage.ended()
        outage.ended()
        outage.failed(StoreUnavailable("away"))
    assert [record.getMessage() for record in caplog.records] == [
        "the harvest has to wait: it took too long",
        "the harvest goes on",
        "the harvest has to wait: away",
    ]
