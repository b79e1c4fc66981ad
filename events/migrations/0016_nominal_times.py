"""Occurrences are identified by the wall-clock time that the rule of their series gives.

Before, they were by its instant, which moves in a gap of the clocks. Exclusions are instants now;
before, they were wall-clock times.
"""

import datetime
import re
from zoneinfo import ZoneInfo

import django.contrib.postgres.fields
import django.db.models.constraints
from django.db import migrations, models

import events.models.local_time

TIMES = ("end_time", "registration_opens_at", "registration_closes_at")
BATCH = 2000


def wall_clock(moment, zone):
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def at_wall_clock(local, zone):
    return local.replace(tzinfo=zone, fold=0).astimezone(datetime.UTC)


def clocks_of(rule, start):
    """The times of day that a rule names or its start has, for rules that step by days."""
    parts = dict(part.split("=", 1) for part in rule.split(";") if "=" in part)
    units = [
        [int(number) for number in parts[name].split(",")] if name in parts else [default]
        for name, default in (
            ("BYHOUR", start.hour),
            ("BYMINUTE", start.minute),
            ("BYSECOND", start.second),
        )
    ]
    if parts.get("FREQ") in {"HOURLY", "MINUTELY", "SECONDLY"}:
        return []
    hours, minutes, seconds = units
    return [
        datetime.time(hour, minute, min(second, 59), start.microsecond)
        for hour in hours
        for minute in minutes
        for second in seconds
    ]


def nominal_time(at, zone, clocks):
    """What the rule gave: another time than the clocks show where they skipped it."""
    local = wall_clock(at, zone)
    if local.time() in clocks:
        return local
    for days in (0, 1):
        day = local.date() - datetime.timedelta(days)
        for clock in clocks:
            nominal = datetime.datetime.combine(day, clock)
            if at_wall_clock(nominal, zone) == at:
                return nominal
    return local


def excluded_instant(text, zone):
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return text
    at = at_wall_clock(datetime.datetime.fromisoformat(text), zone)
    return at.replace(tzinfo=None).isoformat() + "Z"


def fill(apps, schema_editor):
    Event, Series = apps.get_model("events", "Event"), apps.get_model("events", "Series")
    for series in Series.objects.iterator():
        zone = ZoneInfo(series.rule_timezone)
        start = wall_clock(series.start_time, zone)
        series.written_rule, series.written_start = series.rule, start
        series.written_timezone = series.rule_timezone
        series.excluded = sorted(excluded_instant(text, zone) for text in series.excluded)
        series.clock_offsets = {}
        for name in TIMES:
            moment = getattr(series, name)
            offset = None
            if moment is not None:
                length = moment - series.start_time
                offset = wall_clock(moment, zone) - start
                is_same_side = (offset > datetime.timedelta()) == (length > datetime.timedelta())
                offset = (offset if is_same_side else length).total_seconds()
            series.clock_offsets[name] = offset
        series.save()
        clocks = clocks_of(series.rule, start)
        batch = []
        rows = Event.objects.filter(series_id=series.pk, occurrence_at__isnull=False)
        for event in rows.only("occurrence_at").iterator(BATCH):
            event.nominal_start = nominal_time(event.occurrence_at, zone, clocks)
            batch.append(event)
        Event.objects.bulk_update(batch, ["nominal_start"], batch_size=BATCH)
    check_now(schema_editor)


def empty(apps, schema_editor):
    Event, Series = apps.get_model("events", "Event"), apps.get_model("events", "Series")
    for series in Series.objects.iterator():
        zone = ZoneInfo(series.rule_timezone)
        series.excluded = sorted(
            wall_clock(datetime.datetime.fromisoformat(text), zone).isoformat()[:19]
            if text.endswith("Z")
            else text
            for text in series.excluded
        )
        series.save(update_fields=["excluded"])
        batch = []
        rows = Event.objects.filter(
            series_id=series.pk, nominal_start__isnull=False, rule_number=series.rule_number
        )
        for event in rows.only("nominal_start").iterator(BATCH):
            event.occurrence_at = at_wall_clock(event.nominal_start, zone)
            batch.append(event)
        Event.objects.bulk_update(batch, ["occurrence_at"], batch_size=BATCH)
    check_now(schema_editor)


def check_now(schema_editor):
    """PostgreSQL alters no table with checks that are still to come."""
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    schema_editor.execute("SET CONSTRAINTS ALL DEFERRED")


class Migration(migrations.Migration):
    dependencies = [("events", "0015_sample_by_halves")]

    operations = [
        migrations.AddField(
            "event",
            "nominal_start",
            events.models.local_time.LocalDateTimeField(
                editable=False,
                help_text="The wall-clock time that the rule of its series gives, before a gap of the clocks moves it and wherever it was moved by hand. It identifies the occurrence. Empty once the rule has it no more.",
                null=True,
            ),
        ),
        migrations.AddField(
            "event",
            "rule_number",
            models.PositiveIntegerField(
                default=0,
                editable=False,
                help_text="Which of the rules of its series gave it; an edit of times begins another.",
            ),
        ),
        migrations.AddField(
            "series",
            "written_rule",
            models.TextField(
                default="", editable=False, help_text="The rule, before it was moved."
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "series",
            "written_start",
            events.models.local_time.LocalDateTimeField(null=True, editable=False),
        ),
        migrations.AddField(
            "series",
            "written_timezone",
            models.CharField(default="UTC", editable=False, max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            "series",
            "moved_by",
            models.DurationField(
                default=datetime.timedelta,
                editable=False,
                help_text="How far the written rule was moved since, on the clock.",
            ),
        ),
        migrations.AddField(
            "series",
            "clock_offsets",
            models.JSONField(
                default=dict,
                editable=False,
                help_text="Seconds on the clock from an occurrence's start to its other times.",
            ),
        ),
        migrations.AddField(
            "series",
            "rule_number",
            models.PositiveIntegerField(
                default=0,
                editable=False,
                help_text="Of the rule that gives the next occurrences.",
            ),
        ),
        migrations.AddField(
            "series",
            "former_rules",
            models.JSONField(
                default=dict,
                editable=False,
                help_text="Zone and clock offsets, by rule number, of coming occurrences before a split.",
            ),
        ),
        migrations.AlterField(
            "series",
            "rule",
            models.TextField(help_text="RFC 5545 RRULE, as it is shown."),
        ),
        migrations.AlterField(
            "series",
            "excluded",
            django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=32),
                blank=True,
                default=list,
                help_text="Nominal days, or instants in UTC, that the rule leaves out (RFC 5545 EXDATE).",
                size=None,
            ),
        ),
        migrations.RemoveConstraint("event", "one_event_per_occurrence"),
        migrations.RunPython(fill, empty),
        migrations.AlterField(
            "series",
            "written_start",
            events.models.local_time.LocalDateTimeField(
                editable=False, help_text="The wall-clock time that the written rule starts at."
            ),
        ),
        migrations.RemoveField("event", "occurrence_at"),
        migrations.AddConstraint(
            "event",
            models.UniqueConstraint(
                deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                fields=("series", "rule_number", "nominal_start"),
                name="one_event_per_occurrence",
            ),
        ),
    ]
