"""The guides as they are shipped, and the programs in them.

A fenced block whose info string has a second word, "```js app.mjs", is a file of that name; what
the pages tell a reader to run is what is run here.
"""

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

ADDRESS: Final = "127.0.0.1:8000"
"""Where the pages have the hub: `realtime serve --dev` without another port."""

_FENCE: Final = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, the file that it is ("" for none), and what is in it."""

    language: str
    file: str
    text: str


def pages() -> dict[str, str]:
    """The text of every guide by its name without the ending."""
    folder = resources.files("realtime") / "guides"
    return {
        file.name.removesuffix(".md"): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".md")
    }


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a guide, in order."""
    found = []
    for match in _FENCE.finditer(pages()[page]):
        language, _, file = match["info"].partition(" ")
        found.append(Block(language, file, match["text"]))
    return found


def file(page: str, name: str) -> str:
    """The program or script that the guide calls `name`."""
    (text,) = [block.text for block in blocks(page) if block.file == name]
    return text


def write_file(page: str, name: str, folder: Path, address: str) -> Path:
    """Put it into a folder as a reader would, but for a hub at `address`, "127.0.0.1:4711"."""
    path = folder / name
    path.write_text(file(page, name).replace(ADDRESS, address))
    return path
