"""The OpenAPI 3.1 document of the REST face, made from the table of operations. Pure.

https://spec.openapis.org/oas/v3.1.0: schemas are JSON Schema 2020-12, as msgspec writes them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from realtime.chat.operations import Operation
from realtime.chat.parameters import CLIENT_ID, Parameters
from realtime.chat.refusals import WHY
from realtime.errors import ERRORS, TOO_LARGE

ALWAYS: Final = (100, 101, 103, 107, 111, 422)
"""Codes that every operation may answer."""

WITH_BODY: Final = ("POST", "PUT", "PATCH")
"""Methods whose parameters are in a body, which may be too long (413)."""

STATUS: Final[Mapping[int, int]] = {
    100: 503,
    101: 401,
    102: 404,
    103: 403,
    104: 404,
    106: 409,
    107: 400,
    108: 404,
    109: 401,
    111: 429,
    112: 410,
    113: 409,
    404: 404,
    409: 409,
    410: 410,
    413: 413,
    422: 422,
    423: 423,
}
"""HTTP statuses of the wire's codes (RFC 9110; 423 is of RFC 4918, 429 of RFC 6585)."""

PREFIX: Final = "/api/v1"
_REF: Final = "#/components/schemas/{name}"
_WHO: Final = {
    "user": "any signed-in user",
    "member": "members of the channel",
    "writer": "members who may write",
    "moderator": "moderators of the channel",
    "owner": "the owner of the channel",
    "sender": "who sent the message",
    "self": "the user it is about",
    "admin": "admins",
}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as a problem document (RFC 9457).

    `code` is the wire's error code, `why` a word that says more, `field` the path of a parameter
    that is not what was expected, `retry_after` in seconds. `type` leads to what the code means.
    """

    type: str
    title: str
    status: int
    code: int
    temporary: bool = False
    why: str = ""
    field: str = ""
    retry_after: int = 0


def document(operations: Iterable[Operation], *, version: str) -> Any:
    """The document, as what `json.dumps` takes."""
    operations = list(operations)
    types = {struct for operation in operations for struct in (operation.params, operation.result)}
    ordered = sorted(types, key=lambda struct: struct.__name__)
    _, schemas = msgspec.json.schema_components([*ordered, Problem], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _described(operation, schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Realtime: chat and feeds",
            "version": version,
            "description": _INTRODUCTION,
        },
        "servers": [{"url": PREFIX}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas)},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The connection token, as for the websocket.",
                }
            },
        },
    }


def codes(operation: Operation) -> tuple[int, ...]:
    """Every code that the operation may answer, in order."""
    of_bodies = (TOO_LARGE.code,) if operation.method in WITH_BODY else ()
    return tuple(sorted({*ALWAYS, *of_bodies, *operation.errors}))


def _described(operation: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    parameters = Parameters(operation)
    schema = schemas[operation.params.__name__]
    has_body = operation.method in WITH_BODY
    places = [_parameter(name, schema, "path") for name in parameters.in_path]
    rest = [name for name in parameters.names if name not in parameters.in_path]
    if not has_body:
        places += [_parameter(name, schema, "query") for name in rest]
    if CLIENT_ID in parameters.names:
        places.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "The same as `client_id`.",
                "schema": {"type": "string"},
            }
        )
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.name.partition(".")[0]],
        "summary": operation.summary,
        "description": _description(operation),
        "parameters": places,
        "responses": _responses(operation),
    }
    if has_body and rest:
        body = _body(schema, rest)
        described["requestBody"] = {
            "required": "required" in body,
            "content": {"application/json": {"schema": body}},
        }
    return described


def _body(schema: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """The schema of what is left of the parameters for the body.

    `client_id` is not required of it: it may be in the header.
    """
    required = [name for name in schema.get("required", ()) if name in names and name != CLIENT_ID]
    body = {
        "type": "object",
        "properties": {name: schema["properties"][name] for name in names},
        "additionalProperties": False,
    }
    return body | {"required": required} if required else body


def _parameter(name: str, schema: Mapping[str, Any], place: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": name,
        "in": place,
        # A `client_id` may be in the header instead.
        "required": place == "path" or (name in schema.get("required", ()) and name != CLIENT_ID),
        "schema": schema["properties"][name],
    }
    if "array" in str(schema["properties"][name].get("type")):
        described |= {"style": "form", "explode": False}
    return described


def _description(operation: Operation) -> str:
    lines = [operation.description] if operation.description else []
    way = "Over HTTP only." if operation.streams else f"Over the socket: RPC `{operation.name}`."
    lines.append(f"For {_WHO[operation.who]}. {way}")
    return "\n\n".join(lines)


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {
        str(operation.status): {
            "description": "Done.",
            "content": {
                "application/x-ndjson" if operation.streams else "application/json": {
                    "schema": {"$ref": _REF.format(name=operation.result.__name__)}
                }
            },
        }
    }
    by_status: dict[int, list[int]] = {}
    for code in codes(operation):
        by_status.setdefault(STATUS[code], []).append(code)
    for status, found in sorted(by_status.items()):
        texts = [f"{code} {ERRORS[code].message}: {advice(code)}" for code in found]
        responses[str(status)] = {
            "description": "; ".join(texts),
            "content": {
                "application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}
            },
        }
    return responses


def advice(code: int) -> str:
    """Whether to retry, to wait or to stop."""
    if ERRORS[code].temporary:
        return "retry later"
    advised = {kind for number, kind, _ in WHY.values() if number == code}
    return "wait" if "wait" in advised else "stop"


_INTRODUCTION: Final = (
    "Chat and feeds over HTTP. Every operation is also an RPC of the same name on the websocket,"
    " with the same parameters, checks and errors. Times are milliseconds since 1970. Lists are"
    " read page by page: give the `cursor` of the last answer until there is none. A write has a"
    " `client_id` (or an `Idempotency-Key`) of the app's own making: the same call again, even days"
    " later, changes nothing and answers the same."
)
