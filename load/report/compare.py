"""`python -m load compare A.json B.json`: what changed between two runs, as text and as HTML. Pure.

How a change is weighed is said in `load.report.changes`.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from load.measured import Result
from load.report import curves, figures, markup, words
from load.report.changes import Change, Part, parts, phases_of_one, settings
from load.report.plots import drawn
from load.report.text import table

_HEAD: Final = ("", "", "ratio", "before", "after", "spread")
_RULE: Final = (
    "A change counts when it is more than the spread of either run: half of what lies between the "
    "10th and 90th percentile of its samples, a second each. It is a rule of thumb: to be sure, "
    "run each side three times."
)


def as_text(before: Result, after: Result) -> str:
    """The comparison in lines of text; nothing in it moves a terminal's cursor."""
    return "".join(f"{words.printable(line).rstrip()}\n" for line in _lines(before, after))


def as_html(before: Result, after: Result) -> str:
    """The comparison as a page that loads nothing, with the distributions of both."""
    found = parts(before, after)
    body = [*_header(before, after, found), *_settings(before, after)]
    for part in found:
        body.append(f'<section><h2>{markup.text(part.name)}</h2><div class="card">')
        body.append(markup.table_of(_HEAD, map(_cells, part.changes)))
        body.append("</div></section>")
    plots = curves.beside(before, after)
    if plots:
        pictures = "\n".join(f'<div class="card">{drawn(plot)}</div>' for plot in plots)
        body.append(f'<section><h2>Latency</h2><div class="plots">{pictures}</div></section>')
    body.append(f"<footer>{markup.text(_RULE)}</footer>")
    return markup.page(f"{after.scenario}: two runs compared", "\n".join(body))


def summary(before: Result, after: Result) -> str:
    """The comparison in a sentence or two."""
    found = parts(before, after)
    changes = [change for part in found for change in part.changes]
    better, worse = (
        [change for change in changes if change.is_better is wanted] for wanted in (True, False)
    )
    unclear = sum(change.verdict == "unclear" for change in changes)
    if not changes:
        text = "The runs have no phase in common: there is nothing to compare."
    elif unclear and not better and not worse:
        text = (
            f"{unclear} of {len(changes)} figures cannot be compared: too few samples."
            " Nothing else is better or worse by more than the spread of the runs."
        )
    elif not better and not worse:
        text = "Nothing is better or worse by more than the spread of the runs."
    else:
        text = f"{_counted(worse, 'worse')}, {_counted(better, 'better')}, by more than the spread."
    return text + "".join(f" {warning}" for warning in _warnings(before, after))


def _counted(changes: Sequence[Change], word: str) -> str:
    if not changes:
        return f"nothing {word}"
    return f"{len(changes)} {'figure is' if len(changes) == 1 else 'figures are'} {word}"


def _warnings(before: Result, after: Result) -> Iterator[str]:
    """Why the comparison may mean less than it seems to."""
    if before.scenario != after.scenario:
        yield f"The scenarios differ: {before.scenario} and {after.scenario}."
    for name, result in (("earlier", before), ("later", after)):
        if result.verdict in words.VOID:
            yield f"The {name} run was {result.verdict}: its figures say little of the hub."
    alone = phases_of_one(before, after)
    if alone:
        yield f"Only one of them has the phases {', '.join(alone)}."


def _lines(before: Result, after: Result) -> Iterator[str]:
    yield f"{_named(before)}  ->  {_named(after)}"
    yield _sentence(before, after)
    different = settings(before, after)
    if different:
        yield ""
        yield "Other settings:"
        rows = [_told(row) for row in different]
        yield from (f"  {line}" for line in table([("", "before", "after"), *rows]))
    for part in parts(before, after):
        yield ""
        yield part.name
        rows_ = [_HEAD, *map(_row, part.changes)]
        yield from (f"  {line}" for line in table(rows_))
    yield ""
    yield _RULE


def _told(setting: tuple[str, str, str]) -> tuple[str, str, str]:
    name, before, after = setting
    return name, before or figures.NOTHING, after or figures.NOTHING


def _sentence(before: Result, after: Result) -> str:
    text = summary(before, after)
    return text[:1].upper() + text[1:]


def _named(result: Result) -> str:
    return f"{result.scenario} {result.started_at} ({result.verdict})"


def _row(change: Change) -> tuple[str, ...]:
    return (
        change.name,
        change.verdict,
        change.ratio,
        change.shown(change.before),
        change.shown(change.after),
        figures.NOTHING if change.spread is None else f"± {change.shown(change.spread)}",
    )


def _cells(change: Change) -> tuple[str, ...]:
    name, verdict, *cells = map(markup.text, _row(change))
    tone = {True: "better", False: "worse", None: "soft"}[change.is_better]
    return (name, f'<span class="{tone}">{verdict}</span>', *cells)


def _header(before: Result, after: Result, found: Sequence[Part]) -> Iterator[str]:
    flags = {change.is_better for part in found for change in part.changes}
    tone = "failed" if False in flags else "passed" if True in flags else "invalid"
    yield f'<header class="card verdict {tone}">'
    yield f"<h1>{markup.text(after.scenario)}: two runs compared</h1>"
    yield f"<p>{markup.text(_sentence(before, after))}</p>"
    runs = [("before", _named(before)), ("after", _named(after))]
    yield f"{markup.pairs(runs)}</header>"


def _settings(before: Result, after: Result) -> Iterator[str]:
    different = settings(before, after)
    yield '<section><h2>Settings that differ</h2><div class="card">'
    if different:
        yield markup.table(("", "before", "after"), map(_told, different), words=(0, 1, 2))
    else:
        yield '<p class="soft">None: scenario, parameters, seed and versions are the same.</p>'
    yield "</div></section>"
