from typing import ClassVar

from .base import Measure, Scale, Stand, Target, Turn


class ListPage(Measure):
    name = "list"
    title = "list page of 20 over all events"
    unit = "req/s"
    targets = (
        Target(2, of="fastapi-lean"),
        Target(0.5, of="bare"),
        Target(100, of="tutorial"),
        Target(1 / 1.2, of="small"),
    )
    of = (*Measure.of, "small")

    def take(self, stand: Stand, scale: Scale) -> Turn:
        path = stand.contender.list_path
        stand.check_page(path)
        stand.get(path, requests=100)
        result = stand.get(path, seconds=scale.seconds)
        return Turn(result.per_second, {self.title: result})


class DeepPage(Measure):
    """The 10,000th page and the first, second by second."""

    name = "deep-page"
    title = "page 10,000 / page 1"
    unit = "ratio"
    targets = (Target(1 / 1.5),)
    of = ("tutorial", "fastapi", "fastapi-lean", "product")
    _paths: ClassVar[dict[str, str]] = {}  # a long way, gone once

    def take(self, stand: Stand, scale: Scale) -> Turn:
        contender = stand.contender
        if contender.name not in self._paths:
            rows = min(200_000, scale.events // 4)
            self._paths[contender.name] = contender.deep_path(stand.port, rows)
        rates, loads = [], {}
        for title, path in (("page 1", contender.list_path), ("far", self._paths[contender.name])):
            stand.check_page(path)
            result = stand.get(path, seconds=scale.seconds / 2)
            rates.append(result.per_second)
            loads[f"list, {title}"] = result
        return Turn(rates[1] / rates[0], loads)


class AttendeePage(Measure):
    name = "attendees"
    title = "attendee list page, signed in"
    unit = "req/s"
    targets = (Target(5, of="tutorial"),)
    of = ("tutorial", "product")
    query = ""

    def take(self, stand: Stand, scale: Scale) -> Turn:
        stand.clear()
        event_id = stand.open_event(1_000_000, scale.crowd)
        path = stand.contender.attendees_path(event_id) + self.query
        headers = stand.contender.sign_in(stand.port)
        stand.check_page(path, headers=headers)
        result = stand.get(path, seconds=scale.seconds, headers=headers)
        return Turn(result.per_second, {f"{self.title}, of {scale.crowd:,}": result})


class AttendeeSearch(AttendeePage):
    """Part of an address, which one attendee in a hundred has."""

    name = "attendee-search"
    title = "attendees by a part of the address"
    query = "?search=early77"
