"""Failures that repeat until they end, in two lines of the log."""

import logging


class Outage:
    """Logs the first failure of a row and the success that ends it. `what` waits meanwhile."""

    __slots__ = ("_lasts", "_logger", "_what")

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self._logger = logger
        self._what = what
        self._lasts = False

    @property
    def lasts(self) -> bool:
        """Whether the last attempt failed."""
        return self._lasts

    def failed(self, error: BaseException) -> None:
        """An attempt failed."""
        if not self._lasts:
            self._lasts = True
            # A timeout has no text of its own.
            self._logger.warning("%s has to wait: %s", self._what, str(error) or "it took too long")

    def ended(self) -> None:
        """An attempt succeeded."""
        if self._lasts:
            self._lasts = False
            self._logger.info("%s goes on", self._what)
