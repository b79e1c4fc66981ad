"""Logging as text (`console`) or JSON (`json`). Each line has the request's id."""

import logging.config
import re
import sys
from typing import Any

import structlog

from config.api.request_ids import add_request_id

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    add_request_id,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(allow=["request_id", "method", "route", "status", "ms"]),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


# The path of a check-in page, whose token is a secret.
_DOOR = re.compile(r"/door/[^/\s]+")


def _without_tokens(record: logging.LogRecord) -> bool:
    """True. Django's line about a server error has the path, from which tokens are removed."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            _DOOR.sub("/door/[token]", value) if isinstance(value, str) else value
            for value in record.args
        )
    return True


def _is_no_503(record: logging.LogRecord) -> bool:
    """False for Django's line about a 503, whose reason is logged once for many requests."""
    return getattr(record, "status_code", None) != 503


def _is_no_end_of_worker(record: logging.LogRecord) -> bool:
    """False for procrastinate's line about its end, which `config.api.worker` logs."""
    return getattr(record, "action", None) not in {"side_task_failed", "poll_jobs_to_abort_error"}


def logging_config(format_name: str) -> dict[str, Any]:
    """A `logging.config.dictConfig` dictionary; `format_name` is `console` or `json`."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if format_name == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "main": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    renderer,
                ],
            }
        },
        "filters": {
            "without_end_of_worker": {
                "()": "django.utils.log.CallbackFilter",
                "callback": _is_no_end_of_worker,
            },
            "without_tokens": {
                "()": "django.utils.log.CallbackFilter",
                "callback": _without_tokens,
            },
            "without_503": {"()": "django.utils.log.CallbackFilter", "callback": _is_no_503},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "main"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # Clients receive their errors. A log of every 404 would hide server errors.
            "django.request": {"level": "ERROR", "filters": ["without_503", "without_tokens"]},
            # Two lines for each job would hide everything else.
            "procrastinate": {"level": "WARNING"},
            # A line for each attempt to connect. Who needs the connection reports the fault.
            "procrastinate.worker.worker": {"filters": ["without_end_of_worker"]},
            "psycopg.pool": {"level": "ERROR"},
            # A line for each malformed request would let strangers fill the disk.
            "uvicorn.error": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
        },
    }


def configure(config: dict[str, Any]) -> None:
    logging.config.dictConfig(config)
