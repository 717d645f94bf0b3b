"""The schema: what others rely on without loading anything."""

import ast
import dataclasses
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from realtime.settings import bounds, durations, schema, secret
from realtime.settings.contradictions import contradictions
from realtime.settings.durations import Duration
from realtime.settings.kinds import KINDS, OPTION_KINDS, SECTIONS
from realtime.settings.schema import ChannelOptions, ServerSettings, Settings


def test_the_defaults_are_good_for_development() -> None:
    assert list(contradictions(Settings())) == []
    assert Settings().auth.hmac_secret is None


def test_nothing_is_limited_by_default() -> None:
    assert set(dataclasses.astuple(Settings().limits)) == {0.0}
    assert Settings().server.connection_rate == 0.0


@pytest.mark.parametrize("section", [*SECTIONS.values(), Settings])
def test_settings_are_frozen_slotted_and_named(section: type) -> None:
    made = section()
    name = dataclasses.fields(made)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, name, None)
    assert not hasattr(made, "__dict__")
    with pytest.raises(TypeError, match="positional"):
        section(1)


def test_namespaces_cannot_be_added_to() -> None:
    with pytest.raises(TypeError):
        Settings().namespaces["chat"] = ChannelOptions()  # type: ignore[index]  # on purpose


@pytest.mark.parametrize(("ttl", "ms"), [("0s", 0), ("10m", 600_000)])
def test_a_history_ttl_is_known_in_milliseconds(ttl: str, ms: int) -> None:
    assert ChannelOptions(history_ttl=Duration.parse(ttl)).history_ttl_ms == ms


def test_every_default_is_in_its_own_range() -> None:
    for section, kinds in {**KINDS, "namespace": OPTION_KINDS}.items():
        made = SECTIONS.get(section, ChannelOptions)()
        for key, kind in kinds.items():
            value = getattr(made, key)
            if value is not None and kind.bound is not None and not (kind.many or kind.named):
                assert kind.bound.allows(value), f"{section}.{key}"


def test_every_field_is_explained() -> None:
    """A field is followed by a text, but in `limits`, whose names say all, and bursts."""
    tree = ast.parse(inspect.getsource(schema))
    for section in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        if section.name in ("LimitsSettings", "Settings"):
            continue
        for field, after in zip(section.body, [*section.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and ast.unparse(field.annotation) != "Burst":
                assert isinstance(after, ast.Expr), ast.unparse(field)


@pytest.mark.parametrize("module", [schema, secret, durations, bounds])
def test_pure_parts_may_import_the_schema(module: ModuleType) -> None:
    tree = ast.parse(Path(inspect.getfile(module)).read_text(encoding="utf-8"))
    imported = {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name.partition(".")[0] for name in imported} & {"os", "asyncio", "time", "aiohttp"}


def test_servers_listen_on_loopback_by_default() -> None:
    assert ServerSettings().host == "127.0.0.1"
