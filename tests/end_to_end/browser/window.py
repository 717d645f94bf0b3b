"""One window on the page, and what a user does and sees there."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

Scheme = Literal["light", "dark"]
Call: TypeAlias = Mapping[str, Any]
Perform = Callable[[Call], Awaitable[object]]

STORED: Final = '#messages .message[data-state="stored"]'
"""Messages of the open room that the hub has."""


class WindowError(Exception):
    """What was asked of a window did not happen in time, or its page is not as expected."""


@dataclass(frozen=True)
class Seen:
    """What a window has met beside its page, since it was opened."""

    addresses: list[str]
    """Of everything it asked for, websockets included."""
    complaints: list[str]
    """Errors and warnings of scripts and of the browser, such as a breach of the content policy."""
    offsets: dict[str, list[int]]
    """Of every entry that the hub sent, live and recovered, in order, by channel."""


class Window:
    """Made by `Windows.open`. What it waits for takes at most twenty seconds."""

    def __init__(self, name: str, user: str, perform: Perform) -> None:
        self.user = user
        self.policy = ""
        """The page's content policy."""
        self._name = name
        self._perform = perform

    def __repr__(self) -> str:
        return f"<Window {self._name}>"

    async def _call(self, call: str, **details: Any) -> Any:
        return await self._perform({"call": call, "window": self._name, **details})

    async def _await(self, call: str, wanted: object, **details: Any) -> None:
        seen = await self._call(call, wanted=wanted, **details)
        if seen != wanted:
            raise WindowError(f"{self} {details}: there is {seen}, not {wanted}")

    async def open(self, url: str, width: int, height: int, scheme: Scheme) -> None:
        """Open the page and sign in."""
        size = {"width": width, "height": height, "scheme": scheme}
        self.policy = await self._call("open", user=self.user, url=url, **size)

    async def reload(self) -> None:
        """Load the page anew; the user stays signed in."""
        await self._call("reload")

    async def close(self) -> None:
        """Close the window, as a user does; what it keeps in the browser stays."""
        await self._call("close")

    # What there is on the page.

    async def act(self, action: str, selector: str, value: str | None = None) -> None:
        """Do something with the first element of these that can be seen."""
        await self._call("act", action=action, selector=selector, value=value)

    async def click(self, selector: str) -> None:
        """Click on the first element of these that can be seen."""
        await self.act("click", selector)

    async def texts(self, selector: str) -> list[str]:
        """What the elements say that can be seen now, spaces joined."""
        texts: list[str] = await self._call("texts", selector=selector, wanted=None)
        return texts

    async def shows(self, selector: str, *texts: str) -> None:
        """Wait until the elements that can be seen say exactly this, spaces joined."""
        await self._await("texts", list(texts), selector=selector)

    async def has(self, selector: str, name: str, value: str) -> None:
        """Wait until the first of these elements has this attribute."""
        await self._await("attribute", value, selector=selector, name=name)

    async def connection(self, state: str) -> None:
        """Wait until the page shows its connection as "connected", "waiting", …"""
        await self.has("body", "data-connection", state)

    async def go(self, address: str) -> None:
        """Go to another place of the page, as "#feed"."""
        await self._call("go", address=address)

    async def visit(self, url: str) -> None:
        """Leave the page for another address."""
        await self._call("visit", url=url)

    async def address(self) -> str:
        """Where on the page the window is, as "#feed"."""
        place: str = await self._call("address")
        return place

    async def press(self, key: str) -> None:
        """Press a key, wherever the focus is."""
        await self._call("press", key=key)

    async def looks(self, *, visible: bool) -> None:
        """Have the user look at another tab, or come back."""
        await self._call("look", visible=visible)

    async def scroll(
        self, selector: str, to: Literal["top", "end"], *, redraws: bool = False
    ) -> None:
        """Scroll an element to its top or its end; `redraws`: just before the page draws itself."""
        await self._call("scroll", selector=selector, to=to, redraws=redraws)

    async def seen(self) -> Seen:
        """What the window has met so far."""
        return Seen(**await self._call("seen"))

    async def overflow(self) -> int:
        """Pixels by which anything is out of the window, left or right; 0 where all fits."""
        pixels: int = await self._call("overflow")
        return pixels

    async def screenshot(self, path: Path) -> None:
        """Write what the window shows, as PNG."""
        await self._call("screenshot", path=str(path))

    # What a user does.

    async def choose(self, button: str, item: str) -> None:
        """Open the menu at a button, and choose."""
        await self.click(button)
        await self.click(f'#menu button:text-is("{item}")')

    async def answer(self, **values: str) -> None:
        """Fill in the dialog that is open, and agree."""
        for name, value in values.items():
            await self.act("fill", f'dialog [name="{name}"]', value)
        await self.click("#dialog-button")

    async def enter_lobby(self) -> None:
        """Go into the room that everybody can go to."""
        await self.choose("#new", "Lobby")
        await self.shows("#room-name", "Lobby")

    async def create_room(self, title: str, members: str = "") -> None:
        """Make a room, and be in it."""
        await self.choose("#new", "New room…")
        await self.answer(title=title, members=members)
        await self.shows("#room-name", title)

    async def enter(self, title: str) -> None:
        """Go into a channel that is in the list."""
        await self.click(f'#channels .entry:has(.name:text-is("{title}"))')
        await self.shows("#room-name", title)

    async def say(self, *texts: str, where: str = "#composer") -> None:
        """Write messages, replies or posts, and send each with Enter."""
        for text in texts:
            await self.act("fill", f"{where} textarea", text)
            await self.act("press", f"{where} textarea", "Enter")

    async def on_message(self, text: str, item: str, where: str = "#messages") -> None:
        """Choose from the menu of a message."""
        await self.act("hover", message(text, where))
        await self.choose(f'{message(text, where)} [data-action="more"]', item)

    async def react(self, text: str, emoji: str) -> None:
        """Give a reaction to a message."""
        await self.act("hover", message(text))
        await self.click(f'{message(text)} [data-action="react"]')
        await self.click(f'#emojis button:text-is("{emoji}")')

    async def on_person(self, user: str, item: str) -> None:
        """Choose from the menu of somebody in the list of people, which is open."""
        await self.choose(f'#members .entry:has(.name:text-is("{user}")) button', item)

    # What a user sees.

    async def shows_messages(self, *texts: str) -> None:
        """Wait until these are the messages of the room that the hub has, as far as is loaded."""
        await self.shows(f"{STORED} .bubble", *texts)

    async def has_sent_all(self) -> None:
        """Wait until every write was answered; a message may be shown as stored before that."""
        await self._await("outbox", 0)

    async def shows_channels(self, *lines: str) -> None:
        """Wait until this is the list: "Lobby | bob: hello | @ | 2", the newest first."""
        await self._await("channels", list(lines))


def message(text: str, where: str = "#messages") -> str:
    """The selector of the message that says this."""
    return f'{where} .message:has(.bubble:text-is("{text}"))'
