"""What is unread is what a recount of the log says, also where two nodes share a database."""

import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import Phase

from realtime.chat.ports import ChatStore
from tests.support.mongo_servers import ReadyMongoStore, mongo_database
from tests.support.recounted import Recounted, recounted


@pytest.mark.timeout(300)
def test_a_hundred_operations_leave_what_a_recount_says(mongo_server_url: str) -> None:
    with contextlib.ExitStack() as databases:

        class InMongo(Recounted):
            def make_stores(self) -> Sequence[ChatStore]:
                url = databases.enter_context(mongo_database(mongo_server_url))
                return (ReadyMongoStore(url), ReadyMongoStore(url))

        recounted(InMongo, examples=6, steps=30, phases=(Phase.generate,))
