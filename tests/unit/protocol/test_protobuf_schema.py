"""The schema is the protocol's, and the module is what its documented command makes of it."""

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from centrifuge.protocol import client_pb2 as theirs  # type: ignore[import-untyped]
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from realtime.protocol.protobuf import wire_pb2 as ours

ROOT: Final = Path(__file__).resolve().parents[3]
FOLDER: Final = Path("realtime/protocol/protobuf")

RENAMED: Final = {"RpcRequest": "RPCRequest", "RpcResult": "RPCResult"}
"""Messages that the protocol spells in another way; names do not travel."""

LATER: Final = {
    ("SubscribeRequest", "type"),
    ("SubRefreshRequest", "type"),
}
"""Fields that the published schema does not have yet. Their numbers are in protocol 1.4."""

# The messages of both schemas, those of map entries among them.
OURS: Final[Mapping[str, Descriptor]] = ours.DESCRIPTOR.message_types_by_name
THEIRS: Final[Mapping[str, Descriptor]] = theirs.DESCRIPTOR.message_types_by_name


def test_the_module_is_fresh(tmp_path: Path) -> None:
    schema = (ROOT / FOLDER / "wire.proto").read_text()
    found = re.search(r"^// +(python -m grpc_tools\.protoc .*)$", schema, re.MULTILINE)
    assert found is not None
    words = shlex.split(found[1])
    assert words.count(".") == 3
    command = [
        sys.executable,
        *words[1:4],
        ".",
        *(str(tmp_path) if word == "." else word for word in words[5:]),
    ]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    for name in ("wire_pb2.py", "wire_pb2.pyi"):
        made = (tmp_path / FOLDER / name).read_text()
        assert made == (ROOT / FOLDER / name).read_text(), f"{name}: run {found[1]}"


def shape(field: FieldDescriptor) -> tuple[object, ...]:
    """What of a field decides how it is on the wire, and what a map's entries are made of."""
    message = field.message_type
    kind: object = message.name if message is not None else None
    if message is not None and message.GetOptions().map_entry:
        kind = [shape(part) for part in message.fields]
    return field.number, field.type, field.is_repeated, kind


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_field_is_as_in_the_published_schema(name: str) -> None:
    published = THEIRS[RENAMED.get(name, name)]
    for field in OURS[name].fields:
        if (name, field.name) in LATER:
            continue
        number, *rest = shape(published.fields_by_name[field.name])
        mine = shape(field)
        kinds = [RENAMED.get(part, part) if isinstance(part, str) else part for part in mine[1:]]
        assert (mine[0], *kinds) == (number, *rest)


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_other_field_of_the_published_schema_is_reserved(name: str) -> None:
    """So that none is ever taken for something else."""
    schema = (ROOT / FOLDER / "wire.proto").read_text()
    body = schema.split(f"\nmessage {name} {{")[1].split("}\n")[0]
    reserved = {
        word.strip(' "') for line in re.findall(r"reserved (.*);", body) for word in line.split(",")
    }
    served = OURS[name].fields_by_name
    for field in THEIRS[RENAMED.get(name, name)].fields:
        if field.name not in served:
            assert {field.name, str(field.number)} <= reserved
