"""A plain model of a series: lists of wall-clock times, moved one by one.

It knows rules by dateutil alone and shares no code with what it is compared with.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr


def resolve(local: datetime, zone: str) -> datetime:
    """The instant of a wall-clock time: after a gap by as much as it is in it, else the first."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def local_time(at: datetime, zone: str) -> datetime:
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


@dataclass(eq=False)
class Part:
    """What one rule gives: the nominal times of all its turns."""

    turns: list[datetime]
    first: datetime
    zone: str
    length: timedelta


@dataclass(eq=False)
class Occurrence:
    pk: int
    part: Part
    nominal: datetime | None
    start: datetime
    end: datetime
    state: str = "live"  # live, hand, cancelled, deleted
    booked: bool = False

    @property
    def is_there(self) -> bool:
        return self.state in {"live", "hand"}


@dataclass(eq=False)
class Model:
    zone: str  # of the series as it is shown
    parts: list[Part]
    occurrences: list[Occurrence]
    excluded: set[datetime] = field(default_factory=set)  # nominal times of the last part
    created: list[tuple[datetime, datetime]] = field(default_factory=list)

    @property
    def last(self) -> Part:
        return self.parts[-1]

    def key(self, one: Occurrence) -> tuple[int, datetime]:
        return self.parts.index(one.part), one.nominal or datetime.max

    def first_start(self) -> datetime:
        return resolve(self.last.first, self.last.zone)

    def planned(self, part: Part, nominal: datetime) -> tuple[datetime, datetime]:
        start = resolve(nominal, part.zone)
        end = resolve(local_time(start, part.zone) + part.length, part.zone)
        return start, end if end > start else start + part.length

    def set_times(self, one: Occurrence, now: datetime) -> None:
        start, end = self.planned(one.part, one.nominal)
        if start > now:
            one.start, one.end = start, end

    def is_reached(self, one: Occurrence, now: datetime) -> bool:
        return one.state == "live" and one.start > now

    # --- Edits ---

    def move(self, anchor: Occurrence | None, shift, now, *, zone=None, length=None) -> None:
        """Everything from the anchor on, or all, by `shift` on the clock."""
        parts = self.parts
        if anchor is not None:
            position = parts.index(anchor.part)
            parts = self._split(position, anchor.nominal)
        for part in parts:
            part.turns = [turn + shift for turn in part.turns]
            part.first += shift
            part.zone = zone or part.zone
            part.length = part.length if length is None else length
        if self.last in parts:
            self.excluded = {turn + shift for turn in self.excluded}
        for one in self.occurrences:
            if one.part not in parts or one.nominal is None:
                continue
            was_reached = self.is_reached(one, now)
            one.nominal += shift
            if was_reached:
                self.set_times(one, now)

    def _split(self, position: int, nominal: datetime) -> list[Part]:
        """The parts from a nominal time of one of them on.

        Occurrences before it stay in the old part, which may have no turn left: those edited by
        hand before another rule can be earlier than all of its turns.
        """
        old = self.parts[position]
        later = [turn for turn in old.turns if turn >= nominal]
        if old is self.last and not later:
            return []
        part = Part(later, later[0] if later else nominal, old.zone, old.length)
        old.turns = [turn for turn in old.turns if turn < nominal]
        if old is self.last:
            self.excluded &= set(later)
        self.parts.insert(position + 1, part)
        for one in self.occurrences:
            if one.part is old and one.nominal is not None and one.nominal >= nominal:
                one.part = part
        return self.parts[position + 1 :]

    def exclude(self, excluded: set[datetime], now: datetime) -> None:
        part = self.last
        held = {}
        for one in self.occurrences:
            if one.part is part and one.nominal is not None:
                held[one.nominal] = one
        for nominal in excluded - self.excluded:
            one = held.get(nominal)
            if one is not None and self.is_reached(one, now):
                self.drop(one)
        for nominal in sorted(self.excluded - excluded):
            if nominal not in held and resolve(nominal, part.zone) > now:
                self.created.append(self.planned(part, nominal))
        self.excluded = excluded

    def drop(self, one: Occurrence) -> None:
        one.state = "cancelled" if one.booked else "deleted"
        one.nominal = None

    def change_rule(self, rule: str, anchor: Occurrence | None, now: datetime) -> None:
        old_zones = {part: part.zone for part in self.parts}
        if anchor is None:
            first, zone, length = self.last.first, self.last.zone, self.last.length
            group = [one for one in self.occurrences if one.part is self.last]
        else:
            first, zone, length = anchor.nominal, anchor.part.zone, anchor.part.length
            begin = self.key(anchor)
            group = [
                one
                for one in self.occurrences
                if one.nominal is not None and self.key(one) >= begin
            ]
        if zone != self.zone:
            first = local_time(resolve(first, zone), self.zone)
        part = Part(list(rrulestr(rule, dtstart=first)), first, self.zone, length)
        group = [one for one in group if one.nominal is not None]
        for one in group:
            if old_zones[one.part] != self.zone:
                one.nominal = local_time(resolve(one.nominal, old_zones[one.part]), self.zone)
        if anchor is None:
            self.parts[-1] = part
        else:
            position = self.parts.index(anchor.part)
            anchor.part.turns = [turn for turn in anchor.part.turns if turn < anchor.nominal]
            self.parts[position + 1 :] = [part]
        self.excluded = set()
        self._match(part, group, now)

    def _match(self, part: Part, group: list[Occurrence], now: datetime) -> None:
        live = sorted((one for one in group if self.is_reached(one, now)), key=lambda o: o.nominal)
        fixed = {one.nominal for one in group if one not in live}
        at = {turn: resolve(turn, part.zone) for turn in part.turns}
        recent = now - timedelta(days=3)
        free = [turn for turn in part.turns if at[turn] > recent and turn not in fixed]
        pairs = {}
        for same in (lambda turn: turn, lambda turn: turn.date()):
            for one in live:
                if one not in pairs:
                    turn = next((turn for turn in free if same(turn) == same(one.nominal)), None)
                    if turn is not None:
                        pairs[one] = turn
                        free.remove(turn)
        coming = [turn for turn in free if at[turn] > now]
        unmatched = [one for one in live if one not in pairs]
        pairs.update(zip(unmatched, coming, strict=False))
        for one in group:
            one.part = part
            if one not in live:
                continue
            if one in pairs:
                one.nominal = pairs[one]
                self.set_times(one, now)
            else:
                self.drop(one)
        for turn in coming[len(unmatched) :]:
            self.created.append(self.planned(part, turn))
