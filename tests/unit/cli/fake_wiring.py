"""A stand-in for `realtime.wiring` that remembers what a command asked of it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

import realtime
from realtime.server.parent import Place
from realtime.settings.schema import Settings
from realtime.stores.transfer import Progress


@dataclass
class Served:
    settings: Settings
    dev: bool
    reload: Callable[[], Settings]
    place: Place | None


@dataclass
class FakeWiring:
    """Raises `error`, if it has one, in place of doing what it is asked."""

    served: list[Served] = field(default_factory=list)
    backups: list[tuple[str, Path]] = field(default_factory=list)
    restored: list[tuple[str, Path, bool]] = field(default_factory=list)
    initialised: list[str] = field(default_factory=list)
    copied: list[tuple[str, str]] = field(default_factory=list)
    worked: list[tuple[Settings, object]] = field(default_factory=list)
    error: Exception | KeyboardInterrupt | None = None

    def serve(
        self,
        settings: Settings,
        *,
        dev: bool,
        reload: Callable[[], Settings],
        place: Place | None = None,
        push: object = None,
    ) -> None:
        self._fail()
        self.served.append(Served(settings, dev, reload, place))

    def backup(self, settings: Settings, path: Path) -> None:
        self._fail()
        self.backups.append((settings.store.url, path))

    def restore(self, settings: Settings, path: Path, *, force: bool) -> None:
        self._fail()
        self.restored.append((settings.store.url, path, force))

    def init_store(self, url: str, *, new_epoch: bool = False) -> None:
        self._fail()
        self.initialised.append(f"{url} anew" if new_epoch else url)

    def copy_store(self, database: str, url: str, *, told: Callable[[Progress], None]) -> Progress:
        told(Progress(1, 2, 3))
        self._fail()
        self.copied.append((database, url))
        return Progress(channels=1, entries=1234)

    def work(self, settings: Settings, make: object) -> None:
        self._fail()
        self.worked.append((settings, make))

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


def install(monkeypatch: pytest.MonkeyPatch) -> FakeWiring:
    """Put a stand-in where commands import it from, until the test is over."""
    fake = FakeWiring()
    module = ModuleType("realtime.wiring")
    for name in ("serve", "backup", "restore", "init_store", "copy_store", "work"):
        setattr(module, name, getattr(fake, name))
    monkeypatch.setitem(sys.modules, "realtime.wiring", module)
    monkeypatch.setattr(realtime, "wiring", module, raising=False)
    return fake
