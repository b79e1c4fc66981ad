"""What a measure is made of."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from .. import database
from ..contenders import Contender
from ..load import Job, Result, drive


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


@dataclass(frozen=True)
class Target:
    """The product's value is at least `factor` times that of `of`, or `factor` itself."""

    factor: float
    of: str | None = None


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
        database.settle(self.contender.database_url)
        return event_id

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
        for status in result.statuses.keys() - expected:
            raise WrongAnswer(
                f"{contender.name} answered {result.statuses[status]} requests with {status}, "
                f"the first of them so: {result.samples[status]}"
            )
        return result

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

    @abstractmethod
    def take(self, stand: Stand, scale: Scale) -> Turn: ...
