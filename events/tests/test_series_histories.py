"""Histories of random edits of series over HTTP agree with a small model, and cancel nobody.

`SERIES_HISTORIES=1000 python -m pytest events/tests/test_series_histories.py` is thorough and takes
some minutes; a few histories run by default.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from dateutil.rrule import rrulestr
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from conftest import NOW
from events.models import Event, Series
from events.tests.series_model import Model, Occurrence, Part, local_time, resolve
from registrations.models import Registration
from registrations.tests.factories import registered_silently

pytestmark = pytest.mark.django_db

HISTORIES = int(os.environ.get("SERIES_HISTORIES", "8"))
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
         "America/Santiago", "Africa/Cairo", "Asia/Tokyo", "UTC", "America/Nuuk")  # fmt: skip
# Days beside changes of the clocks, and others.
DAYS = ("2027-03-25", "2027-03-27", "2027-03-13", "2027-10-29", "2027-04-01", "2027-05-17",
        "2027-09-04", "2027-11-05", "2027-03-30")  # fmt: skip
CLOCKS = ("00:00", "00:30", "01:45", "02:00", "02:30", "03:15", "09:00", "18:00", "23:45")
RULES = ("FREQ=DAILY", "FREQ=DAILY;INTERVAL=2", "FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY={day}",
         "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,{day},FR", "FREQ=MONTHLY", "FREQ=MONTHLY;BYDAY=-1SU",
         "FREQ=MONTHLY;BYDAY=2TU", "FREQ=YEARLY", "FREQ=DAILY;BYHOUR=9,21",
         "FREQ=MONTHLY;BYMONTHDAY=28,31", "FREQ=DAILY;BYDAY=SA,SU")  # fmt: skip
SHIFTS = tuple(timedelta(minutes=minutes) for minutes in (
    -1440, -60, -30, -15, 10, 15, 30, 45, 60, 90, 120, 600, 1440, 2 * 1440, 7 * 1440, 1500, -2880,
))  # fmt: skip


def rule_from(random: Random, start: datetime) -> str:
    day = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")[start.weekday()]
    return f"{random.choice(RULES).format(day=day)};COUNT={random.randint(1, 9)}"


class History:
    """A series behind the API, and the model of it."""

    def __init__(self, random: Random, client_of, clock) -> None:
        self.random, self.client_of, self.clock = random, client_of, clock
        clock.move_to(NOW)
        self.client = client_of()
        zone = random.choice(ZONES)
        start = datetime.fromisoformat(f"{random.choice(DAYS)}T{random.choice(CLOCKS)}")
        rule = rule_from(random, start)
        start = next(iter(rrulestr(rule, dtstart=start)))
        if local_time(resolve(start, zone), zone) != start:
            start = local_time(resolve(start, zone), zone)  # a start is never in a gap
        turns = list(rrulestr(rule, dtstart=start))
        length = timedelta(minutes=random.choice((30, 60, 90, 240, 1440)))
        part = Part(turns, start, zone, length)
        self.model = Model(zone, [part], [])
        first, end = self.model.planned(part, start)
        part.length = local_time(end, zone) - start if local_time(end, zone) > start else length
        body = {
            "name": "Yoga",
            "location": "Park",
            "timezone": zone,
            "start_time": first.isoformat(),
            "end_time": end.isoformat(),
            "recurrence": rule if random.random() < 0.5 else self._with_until(rule, turns, zone),
        }
        note(f"POST {body}")
        response = self.client.post("/api/series/", body)
        assert response.status_code == 201, response.content
        self.pk = response.json()["id"]
        self.model.created = [self.model.planned(part, turn) for turn in turns]
        self.adopt()

    def _with_until(self, rule: str, turns: list[datetime], zone: str) -> str:
        until = resolve(turns[-1], zone)
        if any(resolve(turn, zone) > until for turn in turns):
            return rule
        return f"{rule.rpartition(';')[0]};UNTIL={until:%Y%m%dT%H%M%SZ}"

    def adopt(self) -> None:
        """Sets the ids of created events, by their starts."""
        known = {one.pk for one in self.model.occurrences}
        rows = Event.objects.filter(series_id=self.pk).exclude(pk__in=known).order_by("start_time")
        expected = sorted(self.model.created)
        assert [(row.start_time, row.end_time) for row in rows] == expected
        by_start = {self.model.planned(part, turn)[0]: (part, turn)
                    for part in self.model.parts for turn in part.turns}  # fmt: skip
        for row in rows:
            part, turn = by_start[row.start_time]
            one = Occurrence(row.pk, part, turn, row.start_time, row.end_time)
            if row.start_time > self.now and self.random.random() < 0.6:
                registered_silently(row)
                one.booked = True
            self.model.occurrences.append(one)
        self.model.created = []

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def check(self) -> None:
        self.adopt()
        rows = {row.pk: row for row in Event.objects.filter(series_id=self.pk)}
        for one in self.model.occurrences:
            row = rows[one.pk]
            state = "deleted" if row.deleted_at else row.status
            expected = {"live": "published", "hand": "published"}.get(one.state, one.state)
            assert (row.pk, state, row.start_time, row.end_time) == (
                one.pk, expected, one.start, one.end,
            )  # fmt: skip
            assert row.registered_count == one.booked
        booked = {one.pk for one in self.model.occurrences if one.booked}
        confirmed = Registration.objects.filter(event__series_id=self.pk, status="confirmed")
        assert set(confirmed.values_list("event_id", flat=True)) == booked
        series = Series.objects.get(pk=self.pk)
        assert series.start_time == self.model.first_start()

    def patch(self, body: dict) -> None:
        note(f"PATCH {body}")
        response = self.client.patch(f"/api/series/{self.pk}/", body)
        assert response.status_code == 200, response.content

    def anchor(self) -> Occurrence | None:
        """Most edits are of all; some begin at an occurrence that is still to come."""
        coming = [one for one in self.model.occurrences
                  if one.is_there and one.nominal and one.start > self.now]  # fmt: skip
        return self.random.choice(coming) if coming and self.random.random() < 0.3 else None

    def _times(self, anchor: Occurrence | None) -> tuple[Part, datetime, datetime, dict]:
        if anchor is None:
            part, nominal, body = self.model.last, self.model.last.first, {}
        else:
            part, nominal, body = anchor.part, anchor.nominal, {"from_event": anchor.pk}
        return part, nominal, resolve(nominal, part.zone), body

    # --- Edits ---

    def move(self) -> None:
        anchor = self.anchor()
        part, nominal, old, body = self._times(anchor)
        start = resolve(nominal + self.random.choice(SHIFTS), part.zone)
        if start <= self.now < old or start == old:
            return
        self.patch(body | {"start_time": start.isoformat()})
        self.model.move(anchor, local_time(start, part.zone) - nominal, self.now)

    def lengthen(self) -> None:
        anchor = self.anchor()
        part, _, start, body = self._times(anchor)
        length = timedelta(minutes=self.random.choice((45, 120, 300)))
        end = resolve(local_time(start, part.zone) + length, part.zone)
        length = local_time(end, part.zone) - local_time(start, part.zone)
        if end <= start or length <= timedelta():
            return
        _, old_end = self.model.planned(part, local_time(start, part.zone))
        if end == old_end:
            return
        self.patch(body | {"end_time": end.isoformat()})
        self.model.move(anchor, timedelta(), self.now, length=length)

    def keep_clock(self) -> None:
        anchor = self.anchor()
        part, nominal, old, body = self._times(anchor)
        zone = self.random.choice(ZONES)
        if zone == self.model.zone:
            return
        clock = nominal if part.zone == self.model.zone else local_time(old, self.model.zone)
        self.patch(body | {"timezone": zone, "keep_local_time": True})
        self.model.move(anchor, clock - nominal, self.now, zone=zone)
        self.model.zone = zone

    def name_zone(self) -> None:
        zone = self.random.choice(ZONES)
        self.patch({"timezone": zone})
        self.model.zone = zone

    def move_to_zone(self) -> None:
        anchor = self.anchor()
        _, nominal, old, body = self._times(anchor)
        zone = self.random.choice(ZONES)
        start = resolve(nominal + self.random.choice(SHIFTS), zone)
        if zone == self.model.zone or start == old or start <= self.now < old:
            return
        self.patch(body | {"timezone": zone, "start_time": local_time(start, zone).isoformat()})
        self.model.move(anchor, local_time(start, zone) - nominal, self.now, zone=zone)
        self.model.zone = zone

    def rename(self) -> None:
        self.patch({"name": f"Yoga {self.random.random()}"})

    def exclude(self) -> None:
        model = self.model
        part = model.last
        chosen = {turn for turn in part.turns if self.random.random() < 0.3}
        by_instant = self.random.random() < 0.5
        if not by_instant:  # a day excludes all of its turns
            days = {turn.date() for turn in chosen}
            chosen = {turn for turn in part.turns if turn.date() in days}
        if len(chosen) == len(part.turns):
            return
        listed = [
            f"{resolve(turn, part.zone):%Y-%m-%dT%H:%M:%SZ}" if by_instant else f"{turn:%Y-%m-%d}"
            for turn in sorted(chosen)
        ]
        self.patch({"exdates": listed})
        model.exclude(chosen, self.now)

    def change_rule(self) -> None:
        anchor = self.anchor()
        part, nominal, old, body = self._times(anchor)
        start = nominal if part.zone == self.model.zone else local_time(old, self.model.zone)
        rule = rule_from(self.random, start)
        if rule == Series.objects.get(pk=self.pk).rule:
            return
        self.patch(body | {"recurrence": rule, "exdates": []})
        self.model.change_rule(rule, anchor, self.now)

    def edit_by_hand(self) -> None:
        coming = [one for one in self.model.occurrences if one.is_there and one.start > self.now]
        if not coming:
            return
        one = self.random.choice(coming)
        kind = self.random.choice(("name", "start", "cancel", "delete"))
        path = f"/api/events/{one.pk}/"
        note(f"{kind} {one.pk}")
        if kind == "name":
            response, one.state = self.client.patch(path, {"name": "Guest"}), "hand"
        elif kind == "start":
            one.start, one.state = one.start + timedelta(hours=3), "hand"
            one.end += timedelta(hours=3)
            times = {"start_time": one.start.isoformat(), "end_time": one.end.isoformat()}
            response = self.client.patch(path, times)
        elif kind == "cancel":
            response, one.state = self.client.post(f"{path}cancel/"), "cancelled"
        else:
            response, one.state = self.client.delete(path), "deleted"
        assert response.status_code in {200, 204}, response.content

    def pass_time(self) -> None:
        coming = sorted(one.start for one in self.model.occurrences
                        if one.is_there and one.start > self.now)  # fmt: skip
        if len(coming) > 1:
            hours = self.random.choice((-5, -1, 1, 30))
            self.clock.move_to(max(self.now, coming[0] + timedelta(hours=hours)))
            self.client = self.client_of()
            note(f"now {self.now}")


EDITS = (History.move, History.move, History.move, History.keep_clock, History.keep_clock,
         History.name_zone, History.move_to_zone, History.lengthen, History.rename,
         History.exclude, History.change_rule, History.edit_by_hand, History.pass_time)  # fmt: skip


def test_the_model_keeps_an_occurrence_before_all_turns_when_a_later_one_moves():
    new_york, week = "America/New_York", timedelta(days=7)
    turn, by_hand = datetime(2027, 5, 28, 9, 45), datetime(2027, 5, 18, 21, 45)
    part = Part([turn], turn, new_york, timedelta(minutes=30))
    model = Model(new_york, [part], [])
    live, guest = (
        Occurrence(pk, part, nominal, *model.planned(part, nominal), state)
        for pk, nominal, state in ((1, turn, "live"), (2, by_hand, "hand"))
    )
    model.occurrences = [live, guest]

    model.move(live, week, NOW, zone="Asia/Tokyo")

    assert (live.nominal, live.part.zone) == (turn + week, "Asia/Tokyo")
    assert (guest.nominal, guest.part.zone) == (by_hand, new_york)


def test_the_model_moves_nothing_from_an_occurrence_after_all_turns():
    turn = datetime(2027, 5, 18, 9, 45)
    part = Part([turn], turn, "UTC", timedelta(minutes=30))
    model = Model("UTC", [part], [])
    late = turn + timedelta(days=1)
    model.occurrences = [
        Occurrence(1, part, turn, *model.planned(part, turn)),
        Occurrence(2, part, late, *model.planned(part, late), "hand"),
    ]

    model.move(model.occurrences[1], timedelta(hours=1), NOW)

    assert [one.nominal for one in model.occurrences] == [turn, late]


# Seeds have nothing to shrink; the notes tell the history.
random_histories = settings(
    max_examples=HISTORIES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@contextmanager
def rolled_back() -> Iterator[None]:
    """No history slows down the later ones by old versions of rows, or breaks them."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@random_histories
@given(seed=st.integers(0, 2**40))
@rolled_back()
def test_a_history_of_edits_agrees_with_the_model(clock, olga, signed_in, seed):
    random = Random(seed)
    history = History(random, lambda: signed_in(olga), clock)

    for _ in range(random.randint(2, 7)):
        random.choice(EDITS)(history)

        history.check()


@random_histories
@given(seed=st.integers(0, 2**40))
@rolled_back()
def test_moves_keep_every_occurrence_and_its_people(clock, olga, signed_in, seed):
    random = Random(seed)
    history = History(random, lambda: signed_in(olga), clock)
    ids = {one.pk for one in history.model.occurrences}

    for _ in range(5):
        random.choice(EDITS[:8])(history)

    rows = Event.objects.existing().filter(series_id=history.pk)
    assert {row.pk for row in rows} == ids
    assert {row.status for row in rows} == {"published"}
    history.check()
