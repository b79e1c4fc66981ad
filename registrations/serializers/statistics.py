"""Statistics in responses, as JSON and as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.text.instants import render_instant

from ..exports.formula_guard import guarded_text
from ..statistics.events import EventStatistics
from ..statistics.overview import Grouping, Overview
from .forms import AnswerCountsOut

_CHANGES = ("registered", "promoted", "cancelled", "checked_in")
_BUCKET_COUNTS = (*_CHANGES, "confirmed_at_end")
_TIMELINE_COLUMNS = ("from", "to", *_BUCKET_COUNTS)

_EXAMPLE = {
    "as_of": "2032-03-15T14:41:00+05:30",
    "timezone": "Asia/Kolkata",
    "totals": {
        "registrations": 13, "people": 13, "confirmed": 12, "waitlisted": 0, "pending": 0,
        "rejected": 0, "cancelled": 1, "checked_in": 7, "no_show": 0,
    },
    "rates": {"full": 0.016, "cancelled": 0.0769, "attended": 0.5833},
    "timeline": [
        {
            "from": "2032-03-15T00:00:00+05:30", "to": "2032-03-16T00:00:00+05:30",
            "registered": 3, "promoted": 0, "cancelled": 1, "checked_in": 7,
            "confirmed_at_end": 12,
        }
    ],
    "lead_days": {"p10": 0.2, "p50": 12.5, "p90": 40.0},
    "sources": {"newsletter": 8},
    "answers": {"diet": {"answered": 11, "counts": {"vegan": 4, "any": 7}}},
}  # fmt: skip


class StatisticsTotalsOut(serializers.Serializer[Any]):
    registrations = serializers.IntegerField(help_text="Ever made. All others count people.")
    people = serializers.IntegerField()
    confirmed = serializers.IntegerField()
    waitlisted = serializers.IntegerField()
    pending = serializers.IntegerField()
    rejected = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    checked_in = serializers.IntegerField()
    no_show = serializers.IntegerField(help_text="After the end: confirmed and not checked in.")


class StatisticsRatesOut(serializers.Serializer[Any]):
    """Shares from 0 to 1; null where there is nothing to divide by."""

    full = serializers.FloatField(allow_null=True, help_text="Confirmed, of the capacity.")
    cancelled = serializers.FloatField(allow_null=True, help_text="Of the people.")
    attended = serializers.FloatField(allow_null=True, help_text="Checked in, of the confirmed.")


class TimelineBucketOut(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        texts = {"checked_in": "An undone check-in counts -1."}
        return {
            "from": serializers.DateTimeField(),
            "to": serializers.DateTimeField(help_text="Exclusive."),
            **{
                name: serializers.IntegerField(help_text=texts.get(name, ""))
                for name in _BUCKET_COUNTS
            },
        }


class LeadDaysOut(serializers.Serializer[Any]):
    """Days between registering and the start: 10, 50 and 90 % of the registrations had at most."""

    p10 = serializers.FloatField(allow_null=True)
    p50 = serializers.FloatField(allow_null=True)
    p90 = serializers.FloatField(allow_null=True)


@extend_schema_serializer(examples=[OpenApiExample("Statistics", _EXAMPLE)])
class EventStatisticsOut(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField()
    timezone = serializers.CharField(help_text="Of the days and times.")
    totals = StatisticsTotalsOut()
    rates = StatisticsRatesOut()
    timeline = TimelineBucketOut(many=True, help_text="Without gaps.")
    lead_days = LeadDaysOut()
    sources = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="People by the `source` that they registered with, the largest first.",
    )
    answers = serializers.DictField(
        child=AnswerCountsOut(), help_text="By the key of the question, as in the form's summary."
    )

    def to_representation(self, statistics: EventStatistics) -> dict[str, Any]:
        return {
            "as_of": render_instant(statistics.as_of, statistics.zone),
            "timezone": str(statistics.zone),
            "totals": statistics.totals,
            "rates": statistics.rates,
            "timeline": [
                dict(zip(_TIMELINE_COLUMNS, row, strict=True)) for row in _timeline(statistics)
            ],
            "lead_days": statistics.lead_days,
            "sources": statistics.sources,
            "answers": statistics.answers,
        }


class StatisticsSumsOut(serializers.Serializer[Any]):
    events = serializers.IntegerField()
    registrations = serializers.IntegerField(help_text="Ever made. All others count people.")
    people = serializers.IntegerField()
    confirmed = serializers.IntegerField()
    waitlisted = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    checked_in = serializers.IntegerField()
    no_show = serializers.IntegerField()


class StatisticsGroupOut(StatisticsSumsOut):
    event = serializers.IntegerField(required=False, help_text="With `group_by=event`.")
    name = serializers.CharField(required=False, help_text="With `group_by=event`.")
    start_time = serializers.DateTimeField(required=False, help_text="With `group_by=event`.")
    month = serializers.CharField(required=False, help_text="With `group_by=month`: `2032-03`.")
    category = serializers.CharField(
        required=False, allow_null=True, help_text="With `group_by=category`."
    )


_SUMS_EXAMPLE = {
    "events": 1, "registrations": 13, "people": 13, "confirmed": 12, "waitlisted": 0,
    "cancelled": 1, "checked_in": 7, "no_show": 5,
}  # fmt: skip


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "By month",
            {
                "as_of": "2032-03-18T14:41:00Z",
                "timezone": "UTC",
                "group_by": "month",
                "totals": _SUMS_EXAMPLE,
                "results": [{"month": "2032-03", **_SUMS_EXAMPLE}],
            },
        )
    ]
)
class OwnStatisticsOut(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField()
    timezone = serializers.CharField()
    group_by = serializers.ChoiceField(choices=[each.value for each in Grouping])
    totals = StatisticsSumsOut()
    results = StatisticsGroupOut(many=True)

    def to_representation(self, overview: Overview) -> dict[str, Any]:
        return {
            "as_of": render_instant(overview.as_of, overview.zone),
            "timezone": str(overview.zone),
            "group_by": overview.group_by.value,
            "totals": overview.totals,
            "results": overview.groups,
        }


def timeline_csv(statistics: EventStatistics) -> bytes:
    return _csv(_TIMELINE_COLUMNS, _timeline(statistics))


def overview_csv(overview: Overview) -> bytes:
    names = {
        Grouping.EVENT: ("event", "name", "start_time"),
        Grouping.MONTH: ("month",),
        Grouping.CATEGORY: ("category",),
    }[overview.group_by]
    columns = (*names, *overview.totals)
    return _csv(columns, ([group[column] for column in columns] for group in overview.groups))


def _timeline(statistics: EventStatistics) -> Iterable[list[Any]]:
    zone = statistics.zone
    for bucket in statistics.timeline:
        times = (render_instant(bucket.begin, zone), render_instant(bucket.end, zone))
        yield [*times, *(bucket.people[name] for name in _CHANGES), bucket.confirmed_at_end]


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """RFC 4180. No text runs as a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(
        [guarded_text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return text.getvalue().encode()
