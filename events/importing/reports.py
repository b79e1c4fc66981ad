"""What became of each row of a file."""

from collections import Counter
from dataclasses import dataclass, field

from config.api.files.csv_rows import RowError

from ..models import Event, Series

#: `unchanged`: it was imported before, and stays as it is.
OUTCOMES = ("created", "updated", "cancelled", "unchanged", "refused")


@dataclass(slots=True)
class RowResult:
    """`event` is the first of `occurrences` events. `notes` say what of the row is not read."""

    line: int
    name: str = ""
    outcome: str = "refused"
    errors: list[RowError] = field(default_factory=list)
    notes: list[RowError] = field(default_factory=list)
    event: Event | None = None
    series: Series | None = None
    occurrences: int = 0


@dataclass
class Report:
    """`saved`: whether something was."""

    results: list[RowResult] = field(default_factory=list)
    new_categories: list[str] = field(default_factory=list)
    saved: bool = False

    def count(self) -> dict[str, int]:
        """How many rows have each outcome."""
        found = Counter(result.outcome for result in self.results)
        return {outcome: found[outcome] for outcome in OUTCOMES}

    @property
    def errors(self) -> list[RowError]:
        return [error for result in self.results for error in result.errors]

    @property
    def notes(self) -> list[RowError]:
        return [note for result in self.results for note in result.notes]

    @property
    def created(self) -> int:
        return self.count()["created"]

    @property
    def already_there(self) -> int:
        return self.count()["unchanged"]

    @property
    def bad(self) -> int:
        return self.count()["refused"]

    @property
    def series(self) -> int:
        """How many of the new rows recur."""
        return sum(result.occurrences > 0 for result in self.results)

    @property
    def occurrences(self) -> int:
        return sum(result.occurrences for result in self.results)
