"""What a measure is made of."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from .. import database
from ..contenders import Contender
from ..load import Job, Result, drive, fetch


class WrongAnswer(Exception):
    """A contender did not do its work, so its speed says nothing."""


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    rounds: int = 3
    seconds: float = 5.0
    sale_requests: int = 5000
    sale_seats: int = 1000
    crowd: int = 100_000
    events: int = 1_000_000
    few_events: int = 10_000


@dataclass(frozen=True)
class Target:
    """The product's value is at least, or `at_most`, `factor` times that of `of`, or `factor`."""

    factor: float
    of: str | None = None
    at_most: bool = False

    def reached(self, values: Mapping[str, float]) -> float:
        return values["product"] / (values[self.of] if self.of else 1)

    def is_met(self, values: Mapping[str, float]) -> bool:
        reached = self.reached(values)
        return reached <= self.factor if self.at_most else reached >= self.factor


@dataclass(frozen=True)
class Turn:
    """One measurement of one contender: the value, and the loads that it comes from."""

    value: float
    loads: dict[str, Result]


@dataclass(frozen=True)
class Stand:
    """A contender with its server."""

    contender: Contender
    port: int
    pid: int = 0

    def clear(self) -> None:
        """No registrations, and every thread of the server warm."""
        self.contender.remove_registrations()
        rehearsal = self.contender.create_event(seats=1_000_000)
        self.register(rehearsal, connections=32, requests=600)
        self.contender.remove_registrations()

    def open_event(self, seats: int, crowd: int = 0) -> int:
        event_id = self.contender.create_event(seats)
        if crowd:
            self.contender.add_registrations(event_id, crowd)
        self.settle()
        return event_id

    def settle(self) -> None:
        database.settle(self.contender.database_url, self.contender.tables)

    def get(
        self,
        path: str,
        *,
        connections: int = 8,
        seconds: float | None = None,
        requests: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Result:
        """Any answer but 200 is a `WrongAnswer`."""
        result = drive(
            Job(
                port=self.port,
                path=path,
                connections=connections,
                seconds=seconds,
                slices=max(1, round(seconds)) if seconds else 1,
                requests=requests,
                headers=headers or {},
            )
        )
        self._require(result, {"200"})
        return result

    def write(
        self,
        path: str,
        body: str,
        *,
        seconds: float,
        headers: dict[str, str],
        method: str = "POST",
        may_refuse: bool = False,
    ) -> Result:
        """Any answer but 200, 201 and, if it may refuse, 503 is a `WrongAnswer`."""
        result = drive(
            Job(
                port=self.port,
                path=path,
                body=body,
                method=method,
                seconds=seconds,
                slices=max(1, round(seconds)),
                headers=headers,
            )
        )
        self._require(result, {"200", "201", "503"} if may_refuse else {"200", "201"})
        return result

    def check_page(
        self, path: str, expected: int = 20, headers: dict[str, str] | None = None
    ) -> None:
        rows = fetch(self.port, path, headers=headers)["results"]
        if len(rows) != expected:
            raise WrongAnswer(f"{self.contender.name} listed {len(rows)} rows, not {expected}.")

    def register(
        self,
        event_id: int,
        *,
        connections: int,
        seconds: float | None = None,
        requests: int | None = None,
        first_number: int = 0,
        may_refuse: bool = False,
    ) -> Result:
        """Guests with distinct addresses; any answer but the expected ones is a `WrongAnswer`."""
        contender = self.contender
        result = drive(
            Job(
                port=self.port,
                path=contender.register_path.format(event_id=event_id),
                body=contender.register_body,
                connections=connections,
                seconds=seconds,
                slices=max(1, round(seconds)) if seconds else 1,
                requests=requests,
                first_number=first_number,
            )
        )
        expected = {contender.accepted, contender.refused} if may_refuse else {contender.accepted}
        self._require(result, expected)
        return result

    def _require(self, result: Result, expected: set[str]) -> None:
        for status in result.statuses.keys() - expected:
            raise WrongAnswer(
                f"{self.contender.name} answered {result.statuses[status]} requests with {status}, "
                f"the first of them so: {result.samples[status]}"
            )

    def check_seats(self, event_id: int, expected: int) -> None:
        taken = self.contender.seats_taken(event_id)
        if taken != expected:
            raise WrongAnswer(
                f"{self.contender.name} has {taken} registrations where there must be {expected}."
            )


class Measure(ABC):
    name: ClassVar[str]  # for --only
    title: ClassVar[str]
    unit: ClassVar[str]
    targets: ClassVar[tuple[Target, ...]]
    of: ClassVar[tuple[str, ...]] = ("tutorial", "fastapi", "fastapi-lean", "bare", "product")

    @abstractmethod
    def take(self, stand: Stand, scale: Scale) -> Turn: ...
