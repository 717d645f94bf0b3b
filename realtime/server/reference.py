"""The OpenAPI document as a page that people read: no script, nothing from elsewhere."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from realtime.chat.openapi import advice
from realtime.chat.refusals import WHY
from realtime.errors import ERRORS

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --dim: #8889; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h2 { border-bottom: 1px solid var(--line); margin-top: 3rem; }
h3 { margin: 2.5rem 0 .25rem; }
code, .path { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
.verb { display: inline-block; min-width: 4.5em; font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
td, th { border-top: 1px solid var(--line); padding: .3rem .5rem; }
td, th { text-align: left; vertical-align: top; }
nav a { margin-right: .75em; white-space: nowrap; }
.dim { opacity: .75; }
"""


def reference_page(document: Mapping[str, Any]) -> bytes:
    """The page, in UTF-8."""
    return "".join(_page(document)).encode()


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield "<!doctype html><html lang=en><meta charset=utf-8>"
    yield "<meta name=viewport content='width=device-width, initial-scale=1'>"
    yield f"<title>{escape(info['title'])}</title><style>{_STYLE}</style>"
    yield f"<h1>{escape(info['title'])}</h1><p>{_prose(info['description'])}"
    yield " <a href=openapi.json>The OpenAPI document</a>.</p>"
    by_tag: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append((method, path, operation))
    yield "<nav>"
    for operations in by_tag.values():
        for _, _, operation in operations:
            name = escape(operation["operationId"])
            yield f"<a href='#{name}'>{name}</a> "
    yield "<a href='#errors'>errors</a></nav>"
    schemas = document["components"]["schemas"]
    for tag, operations in by_tag.items():
        yield f"<h2>{escape(tag)}</h2>"
        for method, path, operation in operations:
            yield from _operation(method, path, operation, schemas)
    yield from _errors()


def _operation(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Iterator[str]:
    name = escape(operation["operationId"])
    yield f"<h3 id='{name}'>{name}</h3>"
    yield f"<div class=path><span class=verb>{method.upper()}</span>/api/v1{escape(path)}</div>"
    yield f"<p>{_prose(operation['summary'])}"
    for paragraph in operation["description"].split("\n\n"):
        yield f"<p class=dim>{_prose(paragraph)}"
    rows = [
        (item["name"], item["in"], item["required"], item["schema"])
        for item in operation["parameters"]
        if item["in"] != "header"
    ]
    body = operation.get("requestBody")
    if body:
        schema = body["content"]["application/json"]["schema"]
        needed = schema.get("required", ())
        rows += [
            (name, "body", name in needed, part) for name, part in schema["properties"].items()
        ]
    if rows:
        yield "<div class=scroll><table><tr><th>parameter<th>in<th>type"
        for name, place, required, schema in rows:
            star = "" if required else " <span class=dim>(optional)</span>"
            yield f"<tr><td><code>{escape(name)}</code>{star}<td>{place}"
            yield f"<td>{escape(_type(schema))}"
        yield "</table></div>"
    yield from _results(operation, schemas)


def _results(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    failures = []
    for status, response in operation["responses"].items():
        if not status.startswith("2"):
            failures.append(f"{status} ({response['description']})")
            continue
        schema = schemas[_name(next(iter(response["content"].values()))["schema"])]
        yield "<p>Answers "
        fields = schema.get("properties", {})
        yield (
            ", ".join(
                f"<code>{escape(name)}</code> {escape(_type(part))}"
                for name, part in fields.items()
            )
            or "nothing more"
        )
        yield ".</p>"
        if schema.get("description"):
            yield f"<p class=dim>{_prose(schema['description'])}</p>"
    yield f"<p class=dim>Refused with {escape('; '.join(failures))}.</p>"


def _prose(text: str) -> str:
    """What is between backticks in the document is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _errors() -> Iterator[str]:
    yield "<h2 id=errors>errors</h2><div class=scroll><table><tr><th>code<th>text<th>do"
    for code, error in ERRORS.items():
        yield f"<tr id='{code}'><td>{code}<td>{escape(error.message)}<td>{escape(advice(code))}"
    yield "</table></div><p><div class=scroll><table><tr><th>why<th>code<th>do<th>meaning"
    for word, (code, kind, meaning) in WHY.items():
        yield f"<tr><td><code>{word}</code><td>{code}<td>{kind}<td>{escape(meaning)}"
    yield "</table></div>"


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return _name(schema)
    if "enum" in schema:
        return " | ".join(repr(item) for item in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " | ".join(_type(item) for item in schema[union])
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and "additionalProperties" in schema:
        inner = schema["additionalProperties"]
        if isinstance(inner, dict):
            return f"object of {_type(inner)}"
    bounds = [
        f"{text} {schema[key]}"
        for key, text in (
            ("minLength", "at least"),
            ("maxLength", "at most"),
            ("minimum", "from"),
            ("maximum", "to"),
        )
        if key in schema
    ]
    return f"{kind}, {' '.join(bounds)}" if bounds else str(kind)
