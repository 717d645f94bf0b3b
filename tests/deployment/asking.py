"""HTTP requests of a backend, a probe or Prometheus; they block."""

import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Final

_TIMEOUT_S: Final = 5.0


def status(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> int:
    """The status that a request is answered by; 0 where there is no answer."""
    request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0
