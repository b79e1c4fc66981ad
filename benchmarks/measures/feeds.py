"""The calendar of a category with 1,000 events."""

import time
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from statistics import median
from typing import ClassVar

from .base import Measure, Scale, Stand, Target, Turn, WrongAnswer

PATH = "/api/events/calendar.ics?when=all&category=conference"
_REQUESTS = 10


class FeedFirstByte(Measure):
    name: ClassVar[str] = "feed-first-byte"
    title: ClassVar[str] = "calendar of a category, first byte"
    unit = "ms"
    targets = (Target(20, at_most=True),)
    of = ("product",)
    status = 200

    def headers(self, stand: Stand) -> dict[str, str]:
        return {}

    def take(self, stand: Stand, scale: Scale) -> Turn:
        headers = self.headers(stand)
        return Turn(median(_wait(stand, headers, self.status) for _ in range(_REQUESTS)), {})


class UnchangedFeed(FeedFirstByte):
    name: ClassVar[str] = "unchanged-feed"
    title: ClassVar[str] = "calendar of a category, not modified"
    targets = (Target(3, at_most=True),)
    status = 304

    def headers(self, stand: Stand) -> dict[str, str]:
        with closing(_connection(stand)) as client:
            client.request("GET", PATH)
            answer = client.getresponse()
            answer.read()
        return {"If-None-Match": str(answer.headers["ETag"])}


def _wait(stand: Stand, headers: dict[str, str], status: int) -> float:
    """Milliseconds until the first byte of the answer, or until its head where it has no body."""
    with closing(_connection(stand)) as client:
        client.connect()
        started = time.perf_counter()
        client.request("GET", PATH, headers=headers)
        answer: HTTPResponse = client.getresponse()
        answer.read(1)
        waited = time.perf_counter() - started
        answer.read()
    if answer.status != status:
        raise WrongAnswer(f"{PATH} answered {answer.status}, not {status}.")
    return 1000 * waited


def _connection(stand: Stand) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", stand.port, timeout=60)
