"""The times of a series: a rule from its start on, with the moves since. Pure."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ..zones import at_wall_clock, wall_clock
from .errors import InvalidRecurrence
from .expansion import MAX_YEARS, Expansion
from .rule import Rule

MAX_OCCURRENCES = 366
#: How far ahead the occurrences of an endless rule exist.
AHEAD = timedelta(days=365)

# Turns that one expansion reads, excluded ones too.
_MAX_TURNS = 20_000
# The longest gap of any zone is the day that Samoa skipped.
_LONGEST_GAP = timedelta(days=2)
_LATEST = datetime(9998, 1, 1, tzinfo=UTC)
# Contains a leap year, even at the turn of a century without one.
_DENSITY_YEARS = timedelta(days=9 * 366)


class Turn(NamedTuple):
    """A time of a rule: on the clock, before a gap moves it, and as an instant in UTC."""

    nominal: datetime
    at: datetime


@dataclass(frozen=True)
class Schedule:
    """A rule, its start, and how both were moved.

    The rule is expanded from `start` as it was written. Its turns are `shift` later, on the clock
    of `zone`. So every move is exact, even to "the day after the last Friday", which is no RRULE.
    UNTIL is compared before the shift, on the clock of `written_in`.

    `first_at` is the instant of the first nominal time, which may occur twice. `excluded` has
    nominal days and instants after the shift.
    """

    rule: Rule
    start: datetime
    written_in: ZoneInfo
    zone: ZoneInfo
    shift: timedelta = timedelta()
    first_at: datetime | None = None
    excluded: frozenset[date | datetime] = frozenset()

    @classmethod
    def written(
        cls,
        rule: Rule,
        start: datetime,
        zone: ZoneInfo,
        excluded: frozenset[date | datetime] = frozenset(),
    ) -> "Schedule":
        """The schedule of a rule from an instant on, on the clocks of `zone`."""
        return cls(rule, wall_clock(start, zone), zone, zone, first_at=start, excluded=excluded)

    @property
    def nominal_start(self) -> datetime:
        return self.start + self.shift

    def turn_at(self, nominal: datetime) -> Turn:
        """The turn of a nominal time, by the rules of `at_wall_clock`."""
        if nominal == self.nominal_start and self.first_at is not None:
            return Turn(nominal, self.first_at)
        return Turn(nominal, at_wall_clock(nominal, self.zone))

    def excludes(self, turn: Turn) -> bool:
        return turn.nominal.date() in self.excluded or turn.at in self.excluded

    def turns(self, after: datetime | None = None, to: datetime | None = None) -> Iterator[Turn]:
        """The turns with instants in (`after`, `to`], in nominal order, excluded ones too.

        Beside a gap, two turns may have the same instant, or the reverse order of instants.
        """
        begin = None
        if after is not None and self.rule.count is None:  # COUNT counts from the start
            begin = wall_clock(after, self.zone) - self.shift - _LONGEST_GAP
        end = None if to is None else wall_clock(to, self.zone) + _LONGEST_GAP
        for count, local in enumerate(self._written_times(begin), start=1):
            nominal = local + self.shift
            if end is not None and nominal > end:
                return
            turn = self.turn_at(nominal)
            if (after is None or turn.at > after) and (to is None or turn.at <= to):
                yield turn
            if count == self.rule.count:
                return

    def occurrences(self, after: datetime | None = None, to: datetime | None = None) -> list[Turn]:
        """The turns that are not excluded, by instant. Of several at one instant, the first.

        Raises `InvalidRecurrence` beyond `MAX_OCCURRENCES`.
        """
        by_instant: dict[datetime, Turn] = {}
        for count, turn in enumerate(self.turns(after, to)):
            if not self.excludes(turn):
                by_instant.setdefault(turn.at, turn)
            if len(by_instant) > MAX_OCCURRENCES or count > _MAX_TURNS:
                raise self._too_many
        return sorted(by_instant.values(), key=lambda turn: turn.at)

    def planned(self, after: datetime | None, to: datetime | None) -> list[Turn]:
        """`occurrences`, or else the first later one. May be empty."""
        occurrences = self.occurrences(after, to)
        if not occurrences:
            for turn in islice(self.turns(after), _MAX_TURNS):
                if not self.excludes(turn):
                    return [turn]
        return occurrences

    def check(self) -> None:
        """Raises `InvalidRecurrence` for no occurrence, too many, or one too far ahead."""
        if self.rule.is_endless:
            self._check_density()
        elif not self.occurrences():
            raise self._nothing
        elif self._ends_too_late():
            raise InvalidRecurrence(
                f"The last occurrence must be within {MAX_YEARS} years of the start. "
                "Give the rule a lower COUNT or an earlier UNTIL."
            )

    def _check_density(self) -> None:
        """Checks that no year has too many occurrences, by two intervals and a leap year."""
        if self._expansion.is_daily_at_most:
            if next(self.turns(), None) is None:
                raise self._nothing
            return
        length = max(_DENSITY_YEARS, min(2 * self.rule.period, MAX_YEARS * AHEAD) + AHEAD)
        recent: deque[datetime] = deque()
        turn = None
        for turn in self.turns(to=self.turn_at(self.nominal_start).at + length):
            recent.append(turn.at)
            while recent[0] <= turn.at - AHEAD:
                recent.popleft()
            if len(recent) > MAX_OCCURRENCES:
                raise self._too_many
        if turn is None and next(self.turns(), None) is None:
            raise self._nothing

    def _ends_too_late(self) -> bool:
        rule = self.rule
        if rule.count is not None:
            return sum(1 for _ in self.turns()) < rule.count
        end = self._until_local
        century = self.start + MAX_YEARS * timedelta(days=366)
        if end < century or end - self.start < rule.period:  # the second interval is later
            return False
        following = next(self._expansion.times(century), None)
        return following is not None and not self._is_over(following)

    # --- As the rule was written ---

    @cached_property
    def _expansion(self) -> Expansion:
        """The expansion, created once, since it caches tables of days."""
        return Expansion(self.rule, self.start)

    def _written_times(self, begin: datetime | None) -> Iterator[datetime]:
        """Times before the shift, up to UNTIL, from `begin` or the start on."""
        limit = None if self.until is None else self._until_local + _LONGEST_GAP
        for local in self._expansion.times(begin):
            if limit is not None and local > limit:
                return
            if not self._is_over(local):
                yield local

    def _is_over(self, local: datetime) -> bool:
        until = self.until
        if until is None:
            return False
        if isinstance(until, datetime):
            return at_wall_clock(local, self.written_in) > until
        return local.date() > until

    @cached_property
    def until(self) -> date | datetime | None:
        """A nominal day, or an instant: wall-clock times are those of the rule's zone."""
        until = self.rule.until
        if isinstance(until, datetime) and until.tzinfo is None:
            return at_wall_clock(until, self.written_in)
        return until

    @cached_property
    def _until_local(self) -> datetime:
        """The approximate end on the clock, within the calendar."""
        until = self.until
        if isinstance(until, datetime):
            return wall_clock(min(until, _LATEST), self.written_in)
        assert until is not None  # noqa: S101  # callers check for UNTIL
        day = min(until, _LATEST.date())
        return datetime(day.year, day.month, day.day)  # noqa: DTZ001  # wall-clock time

    @property
    def _too_many(self) -> InvalidRecurrence:
        reason = f"The rule gives more than {MAX_OCCURRENCES} occurrences"
        if self.rule.is_endless:
            return InvalidRecurrence(f"{reason} a year. Give it COUNT or UNTIL, or make it rarer.")
        return InvalidRecurrence(f"{reason}. Give it a lower COUNT or an earlier UNTIL.")

    @property
    def _nothing(self) -> InvalidRecurrence:
        return InvalidRecurrence(
            f"The rule gives no occurrence within {MAX_YEARS} years of the start, or all are "
            "excluded."
        )

    # --- Moves ---

    def moved(self, shift: timedelta, zone: ZoneInfo, first_at: datetime) -> "Schedule":
        """The schedule with all turns later by `shift` on the clock, in `zone`."""
        moved = replace(
            self, shift=self.shift + shift, zone=zone, first_at=first_at, excluded=frozenset()
        )
        excluded: set[date | datetime] = set()
        for entry in self.excluded:
            try:
                excluded |= self._moved_exclusion(entry, shift, moved)
            except OverflowError:  # beyond the calendar there is no turn to exclude
                continue
        return replace(moved, excluded=frozenset(excluded))

    def _moved_exclusion(
        self, entry: date | datetime, shift: timedelta, moved: "Schedule"
    ) -> set[date | datetime]:
        """The exclusions of the same turns after a move: a day if it has no other turn."""
        near = self._turns_near(entry)
        if isinstance(entry, datetime):
            nominal = [turn.nominal for turn in near if turn.at == entry]
            nominal = nominal or [wall_clock(entry, self.zone)]
            return {moved.turn_at(local + shift).at for local in nominal}
        nominal = [turn.nominal for turn in near if turn.nominal.date() == entry]
        if not nominal:
            return {entry + (moved.nominal_start.date() - self.nominal_start.date())}
        days = {(local + shift).date() for local in nominal}
        if len(days) == 1:
            (day,) = days
            on_day = [turn for turn in moved._turns_near(day) if turn.nominal.date() == day]
            if len(on_day) == len(nominal):
                return {day}
        return {moved.turn_at(local + shift).at for local in nominal}

    def _turns_near(self, entry: date | datetime) -> list[Turn]:
        """The turns around a day or instant. All turns of a rule that ends."""
        if not self.rule.is_endless:
            return self._all_turns
        if isinstance(entry, datetime):
            middle = entry
        else:
            noon = datetime(entry.year, entry.month, entry.day, 12)  # noqa: DTZ001  # wall clock
            middle = at_wall_clock(noon, self.zone)
        return list(self.turns(middle - _LONGEST_GAP, middle + _LONGEST_GAP))

    @cached_property
    def _all_turns(self) -> list[Turn]:
        return list(self.turns())

    def from_turn(self, nominal: datetime) -> "Schedule | None":
        """The rest from the first turn at or after a nominal time on. None without one."""
        rule, begin = self.rule, nominal - self.shift
        times = self._written_times(None if rule.count is not None else begin)
        passed = 0
        for local in times:
            if local >= begin:
                break
            passed += 1
            if passed == rule.count:
                return None
        else:
            return None
        if rule.count is not None:
            rule = rule.with_part("COUNT", str(rule.count - passed))
        first_at = self.first_at if local == self.start else None
        return replace(self, rule=rule, start=local, first_at=first_at)
