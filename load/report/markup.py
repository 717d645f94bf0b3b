"""Pieces of HTML that the pages are put together from. Text that comes in is escaped here. Pure."""

from collections.abc import Iterable, Sequence
from html import escape

from load.report.stylesheet import CSS


def page(title: str, body: str) -> str:
    """A whole document that loads nothing from anywhere: no script, no font, no picture."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Should a text slip through unescaped, it still runs nothing and asks nobody.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{text(title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def text(value: str) -> str:
    """Text as HTML; what UTF-8 has no place for, a half of a surrogate pair, is replaced."""
    return escape(value.encode("utf-8", "replace").decode())


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: Sequence[int] = ()) -> str:
    """A table of texts; the first column is to the left, those of `words` may wrap, too."""
    return table_of(head, ([text(cell) for cell in row] for row in rows), words=words)


def table_of(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, words: Sequence[int] = ()
) -> str:
    """`table`, of cells that are HTML already."""
    kinds = [' class="words"' if index in words else "" for index in range(len(head))]
    top = "".join(f"<th{kind}>{text(name)}</th>" for kind, name in zip(kinds, head, strict=True))
    lines = (
        "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True))
        for row in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    whole = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{whole}</div>'


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names and their values, one below the other."""
    lines = (f"<dt>{text(name)}</dt><dd>{text(value) or '–'}</dd>" for name, value in rows)
    return f'<dl class="pairs">{"".join(lines)}</dl>'
