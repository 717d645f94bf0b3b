"""The published Java SDK (Maven Central's `centrifuge-java`), which speaks Protobuf only.

`java/` has the driver, which `sdk_driver` describes.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from tests.support.kept import one_at_a_time
from tests.support.programs import absent, require
from tests.support.sdk import Payloads
from tests.support.sdk_driver import DrivenSdk, SdkDriver

_SOURCE: Final = Path(__file__).with_name("java")
_BUILD_S: Final = 50
_HINT: Final = "install a JDK 17 or newer, and Maven (default-jdk-headless, maven)"
_GOALS: Final = ("compiler:compile", "dependency:copy-dependencies")

# Quick to start, and small: two cores are shared with the hub under test.
_MACHINE: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx256m")


@one_at_a_time
def build(cache: Path) -> list[str]:
    """Compile the driver beside the libraries that `java/pom.xml` names; the command to start it.

    `cache` keeps them from run to run, one folder per content. Gives up on the test as `absent`
    does where Java, Maven or Maven Central is missing. Blocks.
    """
    java = require("java", _HINT)
    maven = require("mvn", _HINT)
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(_SOURCE.iterdir())))
    directory = cache / f"java-{digest.hexdigest()[:16]}"
    built = directory / "built"
    if not built.exists():
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(_SOURCE, directory)
        _compile([maven, "--quiet", "--batch-mode", "--no-transfer-progress", *_GOALS], directory)
        built.touch()
    target = directory / "target"
    return [java, *_MACHINE, "-cp", f"{target / 'classes'}:{target / 'libraries'}/*", "Driver"]


def _compile(command: Sequence[str], directory: Path) -> None:
    try:
        subprocess.run(
            command, cwd=directory, check=True, capture_output=True, timeout=_BUILD_S, text=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        # Maven tells what is wrong on stdout.
        told = str(error.stdout or error).strip()
        absent("Maven could not build the Java SDK's driver", f"let it reach Maven Central: {told}")


class JavaSdk(DrivenSdk):
    """Made by `open`; `token` and `tokens` as for `PythonSdk`."""

    @classmethod
    async def open(
        cls,
        driver: SdkDriver,
        url: str,
        token: str = "",
        tokens: Sequence[str] = (),
        payloads: Payloads = Payloads.JSON,
    ) -> Self:
        """Make a client in the driver that `build`'s command has started."""
        client = cls(driver, payloads)
        await client.opened(url=url, token=token, tokens=list(tokens))
        return client
