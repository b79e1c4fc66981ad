"""Log lines as `LOG_FORMAT=json` writes them."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from config.logs import logging_config


class LogLines:
    def __init__(self) -> None:
        self.stream = StringIO()

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@contextmanager
def log_lines_of(logger_name: str) -> Iterator[LogLines]:
    """What this logger and those below it write within the block."""
    formatter = logging_config("json")["formatters"]["main"]
    make = formatter.pop("()")
    lines = LogLines()
    handler = logging.StreamHandler(lines.stream)
    handler.setFormatter(make(**formatter))
    logger = logging.getLogger(logger_name)
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
