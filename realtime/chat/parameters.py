"""From what came in to the parameters of an operation, with the path of what is wrong. Pure.

Both faces end in one JSON object that is decoded strictly: no unknown fields, no numbers in quotes.
What HTTP has in a path or a query is text; the struct says what each text is to be.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from realtime.chat.operations import Operation
from realtime.chat.refusals import invalid

CLIENT_ID: Final = "client_id"

_PATH: Final = re.compile(r" - at `\$(.*)`\Z")
_MISSING: Final = re.compile(r"Object missing required field `([a-z_]+)`")
_ENTRY: Final = re.compile(r"\[\.\.\.\]|\[\]")
_encode: Final = msgspec.json.Encoder().encode
_read_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Parameters:
    """Reads the parameters of one operation."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self._decode = msgspec.json.Decoder(operation.params).decode
        self._kinds = _kinds(operation.params)
        self.in_path = tuple(re.findall(r"{([a-z_]+)}", operation.path))
        unknown = set(self.in_path) - set(self._kinds)
        if unknown:
            raise ValueError(f"{operation.name}: no parameters {sorted(unknown)} for its path")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all."""
        return tuple(self._kinds)

    def read(self, data: bytes) -> Any:
        """Decode a JSON object; nothing at all is an empty one. Raises CallRefused (422)."""
        try:
            return self._decode(data or b"{}")
        except msgspec.ValidationError as error:
            raise invalid(field_of(error)) from None
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise invalid("") from None

    def read_parts(
        self, path: Mapping[str, str], query: Mapping[str, str], body: bytes, key: str = ""
    ) -> Any:
        """Put together what HTTP has in several places. Raises CallRefused (422).

        `key` is the Idempotency-Key, "" for none; it must not contradict a `client_id`.
        """
        try:
            parts = dict(_read_object(body)) if body else {}
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise invalid("") from None
        for texts in (query, path):
            for name, text in texts.items():
                if name in parts or name not in self._kinds:
                    # Twice, or nothing that this operation has: not named, it is not ours.
                    raise invalid(name if name in self._kinds else "")
                parts[name] = msgspec.Raw(self._written(name, text))
        if key:
            client_id = self._written(CLIENT_ID, key) if CLIENT_ID in self._kinds else b""
            if CLIENT_ID not in self._kinds or bytes(parts.get(CLIENT_ID, client_id)) != client_id:
                raise invalid(CLIENT_ID)
            parts[CLIENT_ID] = msgspec.Raw(client_id)
        return self.read(_encode(parts))

    def _written(self, name: str, text: str) -> bytes:
        """A text of a path or query as JSON of the type that the field has."""
        kind = self._kinds[name]
        if kind == "number":
            if not re.fullmatch(r"-?[0-9]{1,18}", text):
                raise invalid(name)
            return str(int(text)).encode()
        if kind == "truth":
            if text not in ("true", "false"):
                raise invalid(name)
            return text.encode()
        read = [item for item in text.split(",") if item] if kind == "list" else text
        try:
            return _encode(read)
        except UnicodeEncodeError:  # bytes that are not UTF-8, percent-encoded
            raise invalid(name) from None


def field_of(error: msgspec.ValidationError) -> str:
    """The path of what is wrong, without anything that somebody sent; "" where it is all of it."""
    message = str(error)
    found = _PATH.search(message)
    path = found[1] if found else ""
    missing = _MISSING.match(message)
    if missing:
        path = f"{path}.{missing[1]}"
    return _ENTRY.sub("[]", path).lstrip(".")


def _kinds(params: type[msgspec.Struct]) -> dict[str, str]:
    info = msgspec.inspect.type_info(params)
    assert isinstance(info, msgspec.inspect.StructType)
    return {field.encode_name: _kind(field.type) for field in info.fields}


def _kind(type_: msgspec.inspect.Type) -> str:
    if isinstance(type_, msgspec.inspect.Metadata):  # it is described
        return _kind(type_.type)
    if isinstance(type_, msgspec.inspect.UnionType):
        others = [item for item in type_.types if not isinstance(item, msgspec.inspect.NoneType)]
        return _kind(others[0])
    if isinstance(type_, msgspec.inspect.IntType):
        return "number"
    if isinstance(type_, msgspec.inspect.BoolType):
        return "truth"
    if isinstance(type_, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
        return "list"
    return "text"
