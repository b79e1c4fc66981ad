"""Problems that many requests have fill no log."""

import logging

from config.api import limited_log
from config.api.limited_log import LimitedLog


def test_problem_is_logged_once_in_ten_seconds(caplog, monkeypatch):
    log = LimitedLog(logging.getLogger("config.tests"))
    times = iter([0.0, 0.1, 9.9, 10.0])
    monkeypatch.setattr(limited_log, "monotonic", lambda: next(times))

    for _ in range(4):
        log.report("no answer", TimeoutError("after 1 s\nat 10.0.0.1"))

    assert caplog.messages == [
        "no answer: TimeoutError: after 1 s",
        "no answer: TimeoutError: after 1 s (2 more since the last line)",
    ]
    assert [record.exc_info for record in caplog.records] == [None, None]


def test_problems_are_limited_separately(caplog, monkeypatch):
    log = LimitedLog(logging.getLogger("config.tests"))
    monkeypatch.setattr(limited_log, "monotonic", lambda: 0.0)

    log.report("no answer", TimeoutError())
    log.report("no answer", ValueError())
    log.report("no room", ValueError())

    assert caplog.messages == [
        "no answer: TimeoutError: ", "no answer: ValueError: ", "no room: ValueError: ",
    ]  # fmt: skip
