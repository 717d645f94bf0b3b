"""What is wrong with `store` and `broker`, and with several nodes over them."""

from pathlib import Path

import pytest

from tests.unit.settings.loading import load_text, problems

MONGODB = '[store]\nurl = "mongodb://h"\n'
REDIS = '[broker]\nurl = "redis://h"\n'
WORKERS = "[server]\nworkers = 4\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[store]\nurl = "postgres://u:password@h/db"',
            'store.url (FILE): expected "sqlite:///path", "sqlite://:memory:", '
            '"mongodb://host/database" or "mongodb+srv://…"',
        ),
        (
            '[broker]\nurl = "nats://u:password@h"',
            'broker.url (FILE): expected "memory://", "redis://host:6379/0", "rediss://…", '
            '"unix:///path" or "redis+sentinel://host:26379/service", "rediss+sentinel://…"',
        ),
    ],
)
def test_an_address_of_something_else_is_told_without_its_password(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert problems(tmp_path, text) == [problem]


@pytest.mark.parametrize("prefix", ["realtime", "a", "eu-1:rt_2.x", "x" * 64])
def test_a_prefix_is_of_letters_digits_and_few_signs(tmp_path: Path, prefix: str) -> None:
    assert load_text(tmp_path, f'[broker]\nprefix = "{prefix}"').broker.prefix == prefix


@pytest.mark.parametrize("prefix", ["", "a b", "{a}", "a*", "é", "x" * 65, "a\\n"])
def test_any_other_prefix_is_a_problem(tmp_path: Path, prefix: str) -> None:
    (problem,) = problems(tmp_path, f'[broker]\nprefix = "{prefix}"')
    assert problem.startswith("broker.prefix (FILE): expected letters, digits")


def test_mongodb_and_redis_are_for_any_number_of_workers(tmp_path: Path) -> None:
    assert load_text(tmp_path, MONGODB + REDIS).server.workers == 1
    assert load_text(tmp_path, MONGODB + REDIS + WORKERS).server.workers == 4


def test_mongodb_alone_is_for_one_node(tmp_path: Path) -> None:
    assert load_text(tmp_path, MONGODB).broker.url == "memory://"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            WORKERS,
            "server.workers (FILE), store.url (default), broker.url (default): each worker is a "
            "node of its own; more than one needs MongoDB (to share one log) and Redis (to hear of "
            "one another's messages)",
        ),
        (
            WORKERS + MONGODB,
            "server.workers (FILE), broker.url (default): each worker is a node of its own; more "
            "than one needs Redis (to hear of one another's messages)",
        ),
        (
            WORKERS + REDIS,
            "server.workers (FILE), store.url (default): each worker is a node of its own; more "
            "than one needs MongoDB (to share one log)",
        ),
        (
            REDIS,
            "store.url (default), broker.url (FILE): Redis carries events between nodes that share "
            'a store, and an SQLite database is one process\'s own; take "mongodb://…" for the '
            'store, or "memory://" for the broker',
        ),
    ],
)
def test_nodes_that_could_not_work_together_are_told_why(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert problems(tmp_path, text) == [problem]


def test_nothing_is_concluded_from_an_address_that_is_wrong(tmp_path: Path) -> None:
    text = f'{WORKERS}[store]\nurl = "mongodb://"\n[broker]\nurl = "redis://"\nprefix = ""'
    found = problems(tmp_path, text)
    assert [problem.partition(" ")[0] for problem in found] == [
        "store.url",
        "broker.url",
        "broker.prefix",
    ]


@pytest.mark.parametrize("workers", [0, 257])
def test_workers_are_one_to_256(tmp_path: Path, workers: int) -> None:
    assert problems(tmp_path, f"[server]\nworkers = {workers}") == [
        f"server.workers (FILE): expected a whole number, 1 to 256; got {workers}"
    ]
