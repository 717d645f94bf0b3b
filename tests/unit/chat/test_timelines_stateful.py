"""Timelines against a naive merge, whatever users and nodes do.

The model is three sets: who follows whom, who blocks whom, and the posts that are there. Every page
must be what a plain merge of these gives between its cursors. Jobs of a second node stop anywhere
and go on later, fail in the middle of a write, or are lost with their node; time moves by
milliseconds or months.
"""

import asyncio
import itertools
from typing import Any, Final

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from realtime.chat.calls.feeds import Seen
from realtime.chat.calls.users import BlockUser, UnblockUser
from realtime.chat.places import begin_of, feed_of, place_of
from realtime.errors import CallRefused
from realtime.model import NewEntry
from realtime.settings.schema import ChatSettings
from tests.support.chat import FEED, chat_parts
from tests.support.feeds import NAMESPACE, make_node, place
from tests.support.halting import ended, halted

USERS: Final = ("ann", "bob", "cyn", "dan")
FOLLOWERS_MAX: Final = 2
SHORT_MS: Final = (900, 2_500, 29_000, 61_000)
DAY_MS: Final = 86_400_000
LONG_MS: Final = (DAY_MS // 2, DAY_MS, 8 * DAY_MS, 31 * DAY_MS)

pytestmark = pytest.mark.timeout(300)

users = st.sampled_from(USERS)
pairs = st.tuples(users, users).filter(lambda pair: pair[0] != pair[1])
between = st.sampled_from(("", "post", "work", "unfollow", "delete"))
meanwhile = st.sampled_from(("post", "work", "sweep", "unfollow", "delete"))


class Timelines(RuleBasedStateMachine):
    """What users do, on node `here`; the other node, `there`, is the one that stops and fails."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.exits = chat_parts(ChatSettings(fanout_followers_max=FOLLOWERS_MAX), feed=FEED)
        self.parts = self.run(self.exits.__aenter__())
        self.here = make_node(self.parts)
        self.there = make_node(self.parts)
        self.reader = make_node(self.parts)
        self.ids = (f"id-{number}" for number in itertools.count())
        self.follows: set[tuple[str, str]] = set()
        self.blocks: set[tuple[str, str]] = set()
        self.posts: dict[str, tuple[str, int]] = {}
        """Author and offset of what is there, by place."""
        self.unfolded: dict[str, tuple[str, int]] = {}
        self.seen_at: dict[str, int] = {}
        self.stopped: tuple[asyncio.Task[None], asyncio.Event] | None = None

    def run(self, work: Any) -> Any:
        """Do something on the loop of this machine."""
        return self.runner.run(work)

    def teardown(self) -> None:
        """Check everything once more, then close."""
        try:
            self.go_on()
            self.fold()
            for user in USERS:
                self.walk(user, 3, iter(()))
        finally:
            self.run(self.exits.__aexit__(None, None, None))
            self.runner.close()

    def tick(self) -> None:
        """Time never stands still between two things that are done."""
        self.parts.clock.now_ms += 1

    @initialize(follows=st.sets(pairs, max_size=8))
    def begin(self, follows: set[tuple[str, str]]) -> None:
        """Some follow some, and all have looked at their timelines lately."""
        for user, author in sorted(follows):
            self.follow((user, author))
        for user in USERS:
            self.walk(user, 2, iter(()))
        self.settle()
        self.wait(61_000)

    # What users do.

    @rule(pair=pairs)
    def follow(self, pair: tuple[str, str]) -> None:
        """Refused where one blocks the other."""
        self.tick()
        user, author = pair
        if {(user, author), (author, user)} & self.blocks:
            with pytest.raises(CallRefused, match="blocked"):
                self.run(self.here.follow(user, author))
            return
        self.run(self.here.follow(user, author))
        self.follows.add((user, author))

    @rule(author=users)
    def become_large(self, author: str) -> None:
        """Everybody follows one author."""
        for user in USERS:
            if user != author:
                self.follow((user, author))

    @rule(pair=pairs)
    def unfollow(self, pair: tuple[str, str]) -> None:
        """Whether it was followed or not."""
        self.tick()
        self.run(self.here.unfollow(*pair))
        self.follows.discard(pair)

    @rule(author=users)
    def become_small(self, author: str) -> None:
        """All but one leave."""
        for user in USERS[1:]:
            self.unfollow((user, author))

    @rule(pair=pairs, ends=st.booleans())
    def block(self, pair: tuple[str, str], ends: bool) -> None:
        """Ends following in both directions, which does not come back when the block ends."""
        self.tick()
        user, other = pair
        self.run(self.here.perform("user.block", user, BlockUser(other)))
        self.blocks.add((user, other))
        self.follows -= {(user, other), (other, user)}
        if ends:
            self.run(self.here.perform("user.unblock", user, UnblockUser(other)))
            self.blocks.discard((user, other))

    @rule(authors=st.lists(users, min_size=1, max_size=6), soon=st.booleans())
    def post_some(self, authors: list[str], soon: bool) -> None:
        """Copied soon, or when somebody gets to it."""
        for author in authors:
            self.post(author, there=False)
        if soon:
            self.settle()

    @rule(author=users, there=st.just(value=True))
    def post(self, author: str, there: bool) -> None:
        """By either node."""
        self.tick()
        node = self.there if there and self.stopped is None else self.here
        posted = self.run(node.post(author, next(self.ids)))
        self.posts[place(posted)] = author, posted.offset

    @rule(author=users)
    def post_and_die(self, author: str) -> None:
        """The node dies before anything has followed from the entry."""
        self.tick()
        channel, at = feed_of(NAMESPACE, author), self.parts.clock.now_ms
        entry = NewEntry(
            channel, f"u:{author}", next(self.ids), b"{}", at, counts=True, pending=True
        )
        (appended,) = self.run(self.parts.store.append([entry]))
        self.unfolded[place_of(channel, appended.offset, at)] = author, appended.offset

    @precondition(lambda self: self.posts)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """Any post."""
        self.tick()
        taken = data.draw(st.sampled_from(sorted(self.posts)))
        author, offset = self.posts.pop(taken)
        self.run(self.here.delete(author, offset, next(self.ids)))

    @rule(user=users, limit=st.integers(1, 4), data=st.data())
    def read(self, user: str, limit: int, data: st.DataObject) -> None:
        """All pages; others may do things in between, and one's own follows may change."""
        self.walk(user, limit, (data.draw(between) for _ in itertools.count()))

    @precondition(lambda self: self.posts)
    @rule(user=users, data=st.data())
    def see(self, user: str, data: st.DataObject) -> None:
        """Up to any post, whether it is in the timeline or not."""
        seen = data.draw(st.sampled_from(sorted(self.posts)))
        params = Seen(NAMESPACE, seen)
        self.run(self.here.perform("feed.seen", user, params))
        at = int(seen.split(":")[1])
        self.seen_at[user] = max(at, self.seen_at.get(user, 0))

    @rule(author=users, limit=st.integers(1, 3))
    def read_one_author(self, author: str, limit: int) -> None:
        """All pages of one feed."""
        found, cursor = [], ""
        while True:
            page = self.run(self.here.posts(author, author, cursor, limit))
            found += [post.place for post in page.posts]
            cursor = page.cursor
            if not cursor:
                break
        posted = [place for place, (by, _) in self.posts.items() if by == author]
        assert found == sorted(posted, reverse=True)

    # What time and nodes do.

    @rule(by_ms=st.sampled_from(SHORT_MS))
    def wait(self, by_ms: int) -> None:
        """No job takes longer than it may."""
        if by_ms >= 20_000:
            self.go_on()
        self.parts.clock.now_ms += by_ms

    @rule(by_ms=st.sampled_from(LONG_MS), back=st.sets(users))
    def wait_for_long(self, by_ms: int, back: set[str]) -> None:
        """Some come back then, and the others later or never."""
        self.wait(by_ms)
        for user in sorted(back):
            self.walk(user, 2, iter(()))
        self.run(self.here.feeds.upkeep.work())

    @rule()
    def settle(self) -> None:
        """Do what is due, on the node that does not fail."""
        self.parts.clock.now_ms += 1_000
        self.run(self.here.settle())

    @rule()
    def end_lingering(self) -> None:
        """Not while a job is stopped halfway: it lingers for less long than that."""
        self.run(self.here.feeds.fan_out.finish())
        self.run(self.there.feeds.fan_out.finish())

    @rule()
    def sweep(self) -> None:
        """Finish what others have left."""
        self.run(self.here.feeds.fan_out.sweep())

    @rule()
    def fold(self) -> None:
        """Have happen what was to follow from entries."""
        self.parts.clock.now_ms += 1_001
        self.run(self.here.around.ledger.sweep())
        self.posts |= self.unfolded
        self.unfolded.clear()

    @precondition(lambda self: self.stopped is None)
    @rule(writes=st.integers(0, 5))
    def fail(self, writes: int) -> None:
        """The other node's jobs break after so many rows."""
        self.there.store.writes_left = writes
        self.run(self.there.feeds.fan_out.work())
        self.run(self.there.feeds.upkeep.work())
        self.there.store.writes_left = None

    @precondition(lambda self: self.stopped is None)
    @rule()
    def lose(self) -> None:
        """The other node dies, and comes back with nothing to do."""
        self.there = make_node(self.parts)

    @precondition(lambda self: self.stopped is None)
    @rule(call=st.integers(0, 4))
    def stop(self, call: int) -> None:
        """The other node's job is halted before that call of the store."""
        task, goes_on = self.run(halted(self.there, self.there.feeds.fan_out.work(), call))
        if not task.done():
            self.stopped = task, goes_on

    @rule()
    def go_on(self) -> None:
        """Let it finish."""
        if self.stopped is None:
            return
        task, goes_on = self.stopped
        self.stopped = None
        goes_on.set()
        self.run(ended(task))

    # What takes a while.

    @rule(users=st.sets(users, max_size=2), authors=st.lists(users, min_size=1, max_size=3))
    def be_away(self, users: set[str], authors: list[str]) -> None:
        """Some are away for a month; there are posts; then all look again."""
        self.parts.clock.now_ms += 20 * DAY_MS
        for user in sorted(set(USERS) - users):
            self.walk(user, 3, iter(()))
        self.wait_for_long(20 * DAY_MS, set())
        self.post_some(authors, soon=True)
        self.sweep_all()
        for user in USERS:
            self.walk(user, 3, iter(()))
        self.settle()

    @rule()
    def sweep_all(self) -> None:
        """Nothing waits any more."""
        self.go_on()
        self.fold()
        for _ in range(2):
            self.parts.clock.now_ms += 61_000
            self.sweep()
            self.end_lingering()

    @rule(user=users, limit=st.integers(1, 3), call=st.integers(1, 3), data=st.data())
    def read_slowly(self, user: str, limit: int, call: int, data: st.DataObject) -> None:
        """A page between whose reads something happens: it shows what was there all the time."""
        at_first = self.expected(user)
        page = self.reader.timeline(user, limit=limit)
        task, goes_on = self.run(halted(self.reader, page, call))
        # What was copied before the page was begun may cease to wait, what is copied now lingers.
        self.end_lingering()
        followed = {author for follower, author in self.follows if follower == user}
        at_some_time = set(at_first)
        for what in data.draw(st.lists(meanwhile, max_size=3)):
            self.change(what, user)
            at_some_time |= {place for place, (by, _) in self.posts.items() if by in followed}
        goes_on.set()
        page = self.run(ended(task))
        at_last = self.expected(user)
        found = [post.place for post in page.posts]
        assert found == sorted(found, reverse=True)
        assert set(found) <= at_some_time
        stayed = {place for place in at_first if place in at_last and place >= page.cursor}
        assert stayed <= set(found)

    # What must hold.

    def expected(self, user: str) -> list[str]:
        """The naive merge."""
        followed = {author for follower, author in self.follows if follower == user}
        return sorted(
            (place for place, (author, _) in self.posts.items() if author in followed), reverse=True
        )

    def walk(self, user: str, limit: int, changes: Any) -> None:
        """Each page is the merge between its cursors, as things are when it is read."""
        before = begin_of(NAMESPACE) + "~"
        cursor = ""
        while True:
            page = self.run(self.here.timeline(user, cursor, limit))
            found = [post.place for post in page.posts]
            expected = self.expected(user)
            end = page.cursor or begin_of(NAMESPACE)
            assert found == [place for place in expected if end <= place < before]
            assert len(found) <= limit
            if not cursor:
                self.check_unseen(user, page.unseen, expected)
            if not page.cursor:
                return
            assert page.cursor < before
            before = cursor = page.cursor
            self.change(next(changes, ""), user)

    def check_unseen(self, user: str, unseen: int | None, expected: list[str]) -> None:
        """Everything above the marker."""
        seen_at = self.seen_at.get(user, 0)
        assert unseen == sum(int(place.split(":")[1]) > seen_at for place in expected[:100])

    def change(self, what: str, user: str) -> None:
        """What happens between two pages."""
        followed = sorted(author for follower, author in self.follows if follower == user)
        if what == "post":
            self.post((followed or USERS)[0], there=False)
        elif what == "work":
            self.parts.clock.now_ms += 1_000
            self.run(self.here.feeds.fan_out.work())
            self.run(self.here.feeds.upkeep.work())
        elif what == "sweep":
            self.run(self.here.feeds.fan_out.sweep())
        elif what == "unfollow" and followed:
            self.unfollow((user, followed[-1]))
        elif what == "delete":
            mine = self.expected(user)
            if mine:
                author, offset = self.posts.pop(mine[-1])
                self.run(self.here.delete(author, offset, next(self.ids)))


FEW: Final = settings(
    max_examples=50,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

TestTimelines = Timelines.TestCase
TestTimelines.settings = FEW
