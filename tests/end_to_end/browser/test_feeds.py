"""The feed: who follows sees what is posted, and everybody the same numbers."""

from pathlib import Path

import pytest

from tests.end_to_end.browser.window import Window

# Starting Chromium, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

POSTS = '#posts .post[data-state="stored"] .text'
"""Posts that the hub has, the newest first."""


def post(text: str) -> str:
    """The selector of the post that says this."""
    return f'.post:has(.text:text-is("{text}"))'


async def test_posts_are_followed_reacted_to_counted_edited_and_deleted(
    alice: Window, bob: Window, tmp_path: Path
) -> None:
    for window in (alice, bob):
        await window.click("#feed-link")
        await window.shows("#feed-empty h2", "Your feed is empty")
    await bob.say("My first post", "My second post", where="#post-composer")
    await bob.shows(POSTS, "My second post", "My first post")
    await alice.click("#show-following")
    await alice.act("fill", "#follow-name", "bob")
    await alice.act("press", "#follow-name", "Enter")
    await alice.shows(POSTS, "My second post", "My first post")
    await alice.shows("#followed .name", "bob")
    await bob.shows(".views .count", "1", "1")
    await alice.shows(".views .count", "1", "1")

    await alice.click(f"{post('My first post')} .react")
    await alice.click('#emojis button:text-is("🎉")')
    await bob.shows(f"{post('My first post')} .reaction", "🎉 1")
    await bob.click(f"{post('My first post')} .reaction")
    await alice.shows(f"{post('My first post')} .reaction", "🎉 2")

    await bob.say("While you look", where="#post-composer")
    await alice.shows("#fresh", "1 new post")
    await alice.shows(POSTS, "My second post", "My first post")
    await alice.screenshot(tmp_path / "fresh.png")
    await alice.click("#fresh")
    await alice.shows(POSTS, "While you look", "My second post", "My first post")
    await alice.shows("#posts .day", "You have seen the rest")
    await alice.screenshot(tmp_path / "feed.png")

    await bob.choose(f"{post('My second post')} .more", "Edit")
    await bob.say("My second post, mended", where="#post-composer")
    await bob.choose(f"{post('My first post')} .more", "Delete…")
    await bob.answer()
    for window in (alice, bob):
        await window.shows(POSTS, "While you look", "My second post, mended")

    await alice.say("Mine is here, too", where="#post-composer")
    await alice.shows(POSTS, "Mine is here, too", "While you look", "My second post, mended")
    await alice.click(f"{post('While you look')} .name")
    await alice.shows("#feed-name", "bob")
    await alice.shows("#feed-about", "1 follower")
    await alice.shows(POSTS, "While you look", "My second post, mended")
    await alice.click("#follow")
    await alice.shows("#follow", "Follow")
    await alice.click("#feed-link")
    await alice.shows(POSTS, "Mine is here, too")


async def test_what_has_not_been_seen_is_counted_until_it_is(alice: Window, bob: Window) -> None:
    await alice.click("#feed-link")
    await alice.click("#show-following")
    await alice.act("fill", "#follow-name", "bob")
    await alice.act("press", "#follow-name", "Enter")
    await alice.shows("#followed .name", "bob")
    await alice.enter_lobby()
    await bob.click("#feed-link")
    await bob.say("one", "two", where="#post-composer")
    await alice.shows("#feed-link .unread", "2")
    await alice.reload()
    await alice.shows("#feed-link .unread", "2")
    await alice.click("#feed-link")
    await alice.shows(POSTS, "two", "one")
    await alice.shows("#feed-link .unread")


async def test_a_long_feed_is_read_page_by_page(alice: Window, bob: Window) -> None:
    texts = [f"post number {number}" for number in range(45)]
    await bob.click("#feed-link")
    await bob.say(*texts, where="#post-composer")
    await bob.shows(POSTS, *reversed(texts))
    await alice.go("#feed/bob")
    await alice.shows(POSTS, *list(reversed(texts))[:20])
    await alice.scroll("#posts-log", "end")
    await alice.shows(POSTS, *list(reversed(texts))[:40])
    await alice.scroll("#posts-log", "end")
    await alice.shows(POSTS, *reversed(texts))
