"""What 50 answers of each attendee cost: the same requests for an event with a form and without."""

import time
from contextlib import closing
from http.client import HTTPConnection
from statistics import median
from typing import ClassVar

from ..contenders.product import Product
from .base import Measure, Scale, Stand, Target, Turn, WrongAnswer

_TIMES = 5


class _WithAnswers(Measure):
    """The time of a request with answers through that without."""

    of = ("product",)
    unit = "ratio"
    targets = (Target(2, at_most=True),)
    path: ClassVar[str]  # below that of the event
    by_byte = False

    def take(self, stand: Stand, scale: Scale) -> Turn:
        contender = stand.contender
        assert isinstance(contender, Product)
        stand.clear()
        plain = stand.open_event(1_000_000, scale.crowd)
        answered = stand.open_event(1_000_000)
        contender.add_registrations(answered, scale.crowd, first=scale.crowd)
        contender.answer(answered)
        stand.settle()
        headers = contender.sign_in(stand.port)
        costs = [
            self._cost(stand, f"/api/events/{event_id}/{self.path}", headers)
            for event_id in (plain, answered)
        ]
        return Turn(costs[1] / costs[0], {})

    def _cost(self, stand: Stand, path: str, headers: dict[str, str]) -> float:
        """Seconds, of one byte if it is `by_byte`."""
        found = [_fetched(stand.port, path, headers) for _ in range(_TIMES + 2)][2:]
        return median(seconds / (size if self.by_byte else 1) for seconds, size in found)


class AnsweredPage(_WithAnswers):
    name = "attendees-answers"
    title = "attendee list page, 50 answers / none"
    path = "attendees/"


class AnsweredStatistics(_WithAnswers):
    name = "statistics-answers"
    title = "statistics, 50 answers / none"
    path = "statistics/"


class AnsweredCsv(_WithAnswers):
    name = "csv-answers"
    title = "CSV export, a byte with 50 answers / without"
    path = "attendees/export/?format=csv"
    by_byte = True


class AnsweredXlsx(AnsweredCsv):
    name = "xlsx-answers"
    title = "XLSX export, a byte with 50 answers / without"
    path = "attendees/export/?format=xlsx"


class AnsweredJson(AnsweredCsv):
    name = "json-answers"
    title = "JSON export, a byte with 50 answers / without"
    path = "attendees/export/?format=json"


def _fetched(port: int, path: str, headers: dict[str, str]) -> tuple[float, int]:
    """Seconds and bytes."""
    started = time.perf_counter()
    with closing(HTTPConnection("127.0.0.1", port, timeout=300)) as client:
        client.request("GET", path, headers=headers)
        response = client.getresponse()
        size = 0
        while piece := response.read(262_144):
            size += len(piece)
    if response.status != 200:
        raise WrongAnswer(f"{path} answered {response.status}.")
    return time.perf_counter() - started, size
