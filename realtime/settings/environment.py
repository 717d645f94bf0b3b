"""The environment: `REALTIME_<SECTION>__<KEY>`, the same with `_FILE`, and what platforms set."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from realtime.settings.check import read
from realtime.settings.gathered import Gathered, Given, Path, dotted, kind_at
from realtime.settings.kinds import KINDS, NAMESPACES, OPTION_KINDS, Kind
from realtime.settings.shape import shape, shown
from realtime.settings.suggest import nearest
from realtime.settings.text_file import Unreadable, read_text
from realtime.settings.toml_file import NAMESPACE_NAME

PREFIX: Final = "REALTIME_"
FILE: Final = "_FILE"
CONFIG: Final = "REALTIME_CONFIG"
"""Path of the settings file, where the command line names none."""

PLATFORM: Final[Mapping[str, tuple[str, str]]] = {
    "PORT": ("server", "port"),
    "REDIS_URL": ("broker", "url"),
    "MONGODB_URI": ("store", "url"),
}
"""Variables that platforms set, and what they mean unless our own variable is there too."""

_MAY_BE_EMPTY: Final[Path] = ("auth", "hmac_previous_secret")
"""The setting whose file may be there from the start, to be filled when the secret changes. Any
other empty file is a secret that was lost."""

_TESTS: Final = "REALTIME_TEST_"
# Kubernetes tells every container of a service "realtime" or "realtime-x" where that listens.
_SERVICE: Final = re.compile(
    r"REALTIME(_[A-Z0-9]+)*"
    r"_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_PORT: Final = re.compile(r"REALTIME(_[A-Z0-9]+)*_PORT")
_SERVICE_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class _Variable:
    """A variable that means the setting at `path`, or the path of a file with it."""

    name: str
    path: Path
    kind: Kind
    names_file: bool = False


def gather_environment(environ: Mapping[str, str], gathered: Gathered) -> None:
    """Add what the environment says over what is there, and all that is wrong with it.

    Empty platform variables are as good as missing.
    """
    ours = {name: environ[name] for name in sorted(environ) if _is_ours(name, environ[name])}
    _gather_platform(environ, ours, gathered)
    for name, text in ours.items():
        variable = _find(name, gathered)
        if variable is None:
            continue
        if variable.names_file:
            _accept_file(variable, text, ours, gathered)
        else:
            _accept(variable, text, gathered)


def _is_ours(name: str, text: str) -> bool:
    if not name.startswith(PREFIX) or name.startswith(_TESTS) or name == CONFIG:
        return False
    if _SERVICE_PORT.fullmatch(name) and _SERVICE_ADDRESS.match(text):
        # With a plain number it would be our variable with an underscore too few.
        return False
    return "__" in name or not _SERVICE.fullmatch(name)


def _gather_platform(
    environ: Mapping[str, str], ours: Mapping[str, str], gathered: Gathered
) -> None:
    for name, (section, key) in PLATFORM.items():
        text = environ.get(name, "")
        own = PREFIX + _spell((section, key))
        if not text or own in ours or own + FILE in ours:
            continue
        _accept(_Variable(name, (section, key), KINDS[section][key]), text, gathered)
        host = ("server", "host")
        if name == "PORT" and host not in gathered.values:
            # Who sets PORT reaches us from outside.
            gathered.values[host] = Given("0.0.0.0", name)  # noqa: S104


# Finding the setting that a variable's name means


def _find(name: str, gathered: Gathered) -> _Variable | None:
    """Return what a variable means; None if there is no such setting, which is then noted."""
    if name != name.upper():
        gathered.refuse(f"{shown(name)}: unknown variable; did you mean {shown(name.upper())}?")
        return None
    section, _, key = name.removeprefix(PREFIX).lower().partition("__")
    if section != NAMESPACES:
        return _find_key(name, (section,), key, gathered)
    written, _, key = key.rpartition("__")
    if not NAMESPACE_NAME.fullmatch(written):
        gathered.refuse(
            f"{shown(name)}: expected a namespace's name and a key after {PREFIX}NAMESPACES__"
        )
        return None
    namespace = _find_namespace(written, name, gathered)
    return _find_key(name, (NAMESPACES, namespace), key, gathered) if namespace else None


def _find_namespace(written: str, variable: str, gathered: Gathered) -> str | None:
    """Spell a namespace as the file does: a variable's name has no letter case to tell."""
    alike = [name for name in gathered.namespaces if name.lower() == written]
    if len(alike) > 1:
        gathered.refuse(f"{shown(variable)}: may be any of the namespaces {', '.join(alike)}")
        return None
    return alike[0] if alike else written


def _find_key(name: str, prefix: Path, key: str, gathered: Gathered) -> _Variable | None:
    if kind := kind_at((*prefix, key)):
        return _Variable(name, (*prefix, key), kind)
    target = (*prefix, key.removesuffix("_file"))
    if kind := kind_at(target):
        return _Variable(name, target, kind, names_file=True)
    known = _all_known(prefix)
    # The prefix, which all have, would make any two names look much alike.
    meant = nearest(name.removeprefix(PREFIX), known)
    if meant:
        problem = f"{shown(name)}: unknown variable; did you mean {PREFIX}{meant}?"
        gathered.refuse(problem, known[meant])
    else:
        gathered.refuse(f"{shown(name)}: unknown variable")
    return None


def _all_known(prefix: Path) -> Mapping[str, Path]:
    """All variables that there are, without REALTIME_, and those of the namespace at `prefix`."""
    options = OPTION_KINDS if prefix[0] == NAMESPACES else {}
    kinds = {(section, key): kind for section in KINDS for key, kind in KINDS[section].items()}
    known: dict[str, Path] = {}
    for path, kind in (kinds | {(*prefix, key): kind for key, kind in options.items()}).items():
        known[_spell(path)] = path
        if kind.from_file:
            known[_spell(path) + FILE] = path
    return known


def _spell(path: Path) -> str:
    return "__".join(path).upper()


# Taking the value


def _accept(variable: _Variable, text: str, gathered: Gathered) -> None:
    path = variable.path
    if not _is_unicode(text):
        problem = f"{dotted(path)} ({variable.name}): expected UTF-8; got {shape(text)}"
        gathered.refuse(problem, path)
        return
    if path[0] == NAMESPACES:
        gathered.namespaces.setdefault(path[1], variable.name)
    gathered.accept(path, variable.kind, read(variable.kind, text), variable.name)


def _accept_file(
    variable: _Variable, file: str, ours: Mapping[str, str], gathered: Gathered
) -> None:
    """Take the value from the file that the variable names. The name itself is never told: it may
    be the secret, by mistake."""
    name, path = variable.name, variable.path
    direct = name.removesuffix(FILE)
    if not variable.kind.from_file:
        gathered.refuse(f"{name}: only secrets, keys and urls are read from a file", path)
        return
    if direct in ours:
        gathered.refuse(f"{name}: {direct} is set too; expected one of them", path)
        return
    try:
        text = read_text(file)
    except Unreadable as unreadable:
        gathered.refuse(f"{dotted(path)} ({name}): the file cannot be read: {unreadable}", path)
        return
    # Editors and `echo` end a file with a line break that is no part of the secret.
    secret = re.sub(r"\r?\n\Z", "", text)
    if secret or path == _MAY_BE_EMPTY:
        _accept(variable, secret, gathered)
    else:
        gathered.refuse(f"{dotted(path)} ({name}): the file is empty", path)


def _is_unicode(text: str) -> bool:
    """Whether the variable had no bytes that Python could only keep as lone surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
