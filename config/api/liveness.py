"""A file whose time of change shows that a process without a port is working."""

import logging
from pathlib import Path

from django.conf import settings

from .limited_log import LimitedLog

limited_log = LimitedLog(logging.getLogger(__name__))

REPORT_SECONDS = 10.0


def report_alive() -> None:
    """Touch the file that `LIVENESS_PATH` names, if it names one."""
    if settings.LIVENESS_PATH:
        try:
            Path(settings.LIVENESS_PATH).touch()
        except OSError as error:
            limited_log.report("the file of LIVENESS_PATH cannot be written", error)
