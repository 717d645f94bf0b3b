"""Whatever users do on two nodes, what is unread is what a recount of the log says."""

import pytest

from tests.support.recounted import Recounted, recounted


def test_some_hundred_operations_leave_what_a_recount_says() -> None:
    recounted(Recounted, examples=12, steps=30)


@pytest.mark.thorough
@pytest.mark.timeout(1_200)
def test_ten_thousand_operations_leave_what_a_recount_says() -> None:
    recounted(Recounted, examples=125, steps=80)
