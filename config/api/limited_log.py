"""Log lines of problems that every request reports while they last."""

import logging
from threading import Lock
from time import monotonic

SECONDS_BETWEEN_LINES = 10.0
_MAX_PROBLEMS = 100


class LimitedLog:
    """Logs a line for each problem and type of reason at most once in `SECONDS_BETWEEN_LINES`."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lock = Lock()
        # By problem: when the next line may be logged, and the number of lines left out since.
        self._problems: dict[tuple[str, str], tuple[float, int]] = {}

    def report(self, problem: str, reason: BaseException) -> None:
        """Log `problem` with the first line of the reason, without a traceback."""
        key = (problem, type(reason).__name__)
        now = monotonic()
        with self._lock:
            next_at, omitted = self._problems.get(key, (now, 0))
            if now < next_at:
                self._problems[key] = (next_at, omitted + 1)
                return
            if len(self._problems) >= _MAX_PROBLEMS:
                self._problems.clear()
            self._problems[key] = (now + SECONDS_BETWEEN_LINES, 0)
        more = f" ({omitted} more since the last line)" if omitted else ""
        self._logger.warning("%s: %s: %s%s", *key, first_line(reason), more)

    def clear(self) -> None:
        """Log the next problem of each kind."""
        with self._lock:
            self._problems.clear()


def first_line(error: BaseException) -> str:
    """Of its message. Messages of PostgreSQL have several."""
    return (str(error).strip().splitlines() or [""])[0]
