from collections.abc import AsyncIterator, Sequence

import pytest

from realtime.chat import blocks as module
from realtime.chat.blocks import Blocks
from realtime.chat.calls.users import BlockedUser, BlockPage, BlockUser, ListBlocks, UnblockUser
from realtime.errors import CallRefused
from realtime.rows import BLOCKS
from realtime.stores.base import Write
from tests.support.chat import ChatParts, caller, chat_parts


@pytest.fixture
async def parts() -> AsyncIterator[ChatParts]:
    async with chat_parts() as made:
        yield made


@pytest.fixture
def blocks(parts: ChatParts) -> Blocks:
    return Blocks(parts.around)


async def test_a_block_holds_in_both_directions_until_it_is_taken_back(blocks: Blocks) -> None:
    assert not await blocks.blocked("ann", "bob")
    await blocks.block(caller("ann"), BlockUser("bob"))
    assert await blocks.blocked("ann", "bob")
    assert await blocks.blocked("bob", "ann")
    assert not await blocks.blocked("ann", "eve")
    await blocks.unblock(caller("ann"), UnblockUser("bob"))
    assert not await blocks.blocked("bob", "ann")


async def test_a_block_of_the_other_side_stays(blocks: Blocks) -> None:
    await blocks.block(caller("ann"), BlockUser("bob"))
    await blocks.block(caller("bob"), BlockUser("ann"))
    await blocks.unblock(caller("ann"), UnblockUser("bob"))
    assert await blocks.blocked("ann", "bob")


async def test_nobody_blocks_themselves(blocks: Blocks) -> None:
    with pytest.raises(CallRefused) as refused:
        await blocks.block(caller("ann"), BlockUser("ann"))
    assert (refused.value.error.code, refused.value.field) == (422, "user")


async def test_blocking_again_changes_nothing(parts: ChatParts, blocks: Blocks) -> None:
    await blocks.block(caller("ann"), BlockUser("bob"))
    first = parts.clock.now_ms
    parts.clock.now_ms += 1_000
    await blocks.block(caller("ann"), BlockUser("bob"))
    page = await blocks.blocks(caller("ann"), ListBlocks())
    assert page == BlockPage([BlockedUser("bob", first)])


async def test_a_list_comes_in_pages(blocks: Blocks) -> None:
    for name in ("eve", "bob", "dan"):
        await blocks.block(caller("ann"), BlockUser(name))
    await blocks.block(caller("bob"), BlockUser("ann"))
    first = await blocks.blocks(caller("ann"), ListBlocks(limit=2))
    assert [found.user for found in first.blocks] == ["bob", "dan"]
    second = await blocks.blocks(caller("ann"), ListBlocks(limit=2, cursor=first.cursor))
    assert [found.user for found in second.blocks] == ["eve"]
    assert second.cursor == ""


async def test_there_is_an_end_to_blocking(blocks: Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCKS_MAX", 2)
    await blocks.block(caller("ann"), BlockUser("bob"))
    await blocks.block(caller("ann"), BlockUser("dan"))
    with pytest.raises(CallRefused) as refused:
        await blocks.block(caller("ann"), BlockUser("eve"))
    assert (refused.value.error.code, refused.value.why) == (106, "full")
    await blocks.block(caller("ann"), BlockUser("dan"))


async def test_another_nodes_block_holds_a_second_later(parts: ChatParts, blocks: Blocks) -> None:
    assert not await blocks.blocked("ann", "bob")
    await parts.store.write([Write(BLOCKS, ("bob", "ann"), set={"at": 1})])
    assert not await blocks.blocked("ann", "bob")
    parts.clock.now_ms += 1_000
    assert await blocks.blocked("ann", "bob")


async def test_a_block_that_comes_while_it_is_asked_about_is_not_overlooked(
    parts: ChatParts, blocks: Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read is older than the block; what it found must not be kept over it."""
    get = parts.store.get

    async def get_then_block(table: object, keys: Sequence[object]) -> object:
        rows = await get(table, keys)  # type: ignore[arg-type, var-annotated]
        monkeypatch.undo()
        await blocks.block(caller("ann"), BlockUser("bob"))
        return rows

    monkeypatch.setattr(parts.store, "get", get_then_block)
    await blocks.blocked("ann", "bob")
    assert await blocks.blocked("ann", "bob")


async def test_many_are_asked_about_at_once(blocks: Blocks) -> None:
    await blocks.block(caller("ann"), BlockUser("bob"))
    await blocks.block(caller("eve"), BlockUser("ann"))
    assert await blocks.among("ann", ["bob", "dan", "eve"]) == {"bob", "eve"}
    assert await blocks.among("dan", ["bob", "ann", "eve"]) == frozenset()
    many = [str(number) for number in range(module.OTHERS_MAX + 1)]
    assert await blocks.among("ann", many[1:]) == frozenset()
    with pytest.raises(ValueError, match="at once"):
        await blocks.among("ann", many)


async def test_whoever_listens_is_told_of_a_block(blocks: Blocks) -> None:
    told = []

    async def listen(user: str, blocked: str) -> None:
        told.append((user, blocked))

    blocks.on_block(listen)
    await blocks.block(caller("ann"), BlockUser("bob"))
    assert told == [("ann", "bob")]
