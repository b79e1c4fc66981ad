"""The outcome of each row of a file."""

from collections import Counter
from dataclasses import dataclass, field

from config.api.files.csv_rows import RowError

from ..models import Event, Series

#: An `unchanged` row was imported before.
OUTCOMES = ("created", "updated", "cancelled", "unchanged", "refused")


@dataclass(slots=True)
class RowResult:
    """`event` is the first of `occurrences` events. `notes` name what is not imported."""

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
    """The results of all rows. `saved`: whether anything was saved."""

    results: list[RowResult] = field(default_factory=list)
    new_categories: list[str] = field(default_factory=list)
    saved: bool = False

    def count(self) -> dict[str, int]:
        """The number of rows by outcome."""
        counts = Counter(result.outcome for result in self.results)
        return {outcome: counts[outcome] for outcome in OUTCOMES}

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
    def unchanged(self) -> int:
        return self.count()["unchanged"]

    @property
    def refused(self) -> int:
        return self.count()["refused"]

    @property
    def series(self) -> int:
        """The number of new rows that recur."""
        return sum(result.occurrences > 0 for result in self.results)

    @property
    def occurrences(self) -> int:
        return sum(result.occurrences for result in self.results)
