"""Series: a recurrence rule and what its occurrences have in common."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Count, F, Q, Value
from django.db.models.lookups import Exact
from django.utils.timezone import now

from config.api.staff_rights import has_staff_right

from ..recurrence import (
    Schedule,
    Turn,
    parse_exclusion,
    parse_rule,
    rendered_rule,
    stored_exclusion,
)
from ..zones import at_wall_clock
from .base import IS_NOWHERE, IS_SOMEWHERE, EventDetails, Visibility
from .category import Category
from .local_time import LocalDateTimeField
from .rights import own_series

if TYPE_CHECKING:
    from accounts.models import User


class SeriesQuerySet(models.QuerySet["Series"]):
    def existing(self) -> "SeriesQuerySet":
        """Not deleted."""
        return self.filter(deleted_at=None)

    def visible_to(self, user: "User | AnonymousUser", *permissions: str) -> "SeriesQuerySet":
        """Public series; drafts and unlisted ones for those with a role and staff; no deleted ones.

        Staff see all by the permission to view series, or by any of `permissions`.
        """
        if has_staff_right(user, "events.view_series", *permissions):
            return self.existing()
        public = ~Q(status=Series.Status.DRAFT) & Q(visibility=Visibility.PUBLIC)
        own = own_series(user)
        return self.existing().filter(public if own is None else public | own)

    def for_display(self) -> "SeriesQuerySet":
        """With everything that `SeriesOut` shows, in one query."""
        is_counted = (
            Q(events__deleted_at=None)
            & ~Q(events__status="cancelled")
            & counted_with(F("visibility"), "events__")
        )
        return self.select_related("organizer", "category").annotate(
            occurrence_count=Count("events", filter=is_counted)
        )


def counted_with(series_visibility: Any, path: str = "") -> Q:
    """The condition for events that count as occurrences of a series with this visibility.

    A public series does not reveal its unlisted events. An unlisted one is only shown to those who
    see all of them.
    """
    is_public = Q(**{f"{path}visibility": Visibility.PUBLIC})
    return is_public | Q(Exact(series_visibility, Value(Visibility.UNLISTED)))


class Series(EventDetails):
    """A recurring event. Its times are those of the first occurrence; the others follow the rule.

    New occurrences copy the columns of the series. Each existing occurrence is an `Event`.
    """

    class Status(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"

    category = models.ForeignKey(Category, models.SET_NULL, null=True, blank=True, related_name="+")
    status = models.CharField(max_length=16, choices=Status, default=Status.PUBLISHED)
    organizer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="organized_series"
    )
    rule = models.TextField(help_text="RFC 5545 RRULE, as rendered.")
    excluded = ArrayField(
        models.CharField(max_length=32),
        default=list,
        blank=True,
        help_text="Excluded nominal days, and instants in UTC (RFC 5545 EXDATE).",
    )
    rule_timezone = models.CharField(
        max_length=64,
        help_text="The zone of the rule: `timezone`, unless that alone was changed later.",
    )
    # Occurrences are expanded from these columns; see `recurrence.Schedule`.
    written_rule = models.TextField(editable=False, help_text="The rule before its moves.")
    written_start = LocalDateTimeField(
        editable=False, help_text="The wall-clock start of the written rule."
    )
    written_timezone = models.CharField(max_length=64, editable=False)
    moved_by = models.DurationField(
        default=timedelta,
        editable=False,
        help_text="The sum of the moves of the written rule, on the clock.",
    )
    clock_offsets = models.JSONField(
        default=dict,
        editable=False,
        help_text="Seconds on the clock from an occurrence's start to its other times.",
    )
    rule_number = models.PositiveIntegerField(
        default=0, editable=False, help_text="The number of the current rule."
    )
    former_rules = models.JSONField(
        default=dict,
        editable=False,
        help_text="Zone and clock offsets of former rules with coming occurrences, by number.",
    )
    filled_to = models.DateTimeField(
        null=True,
        editable=False,
        help_text="Occurrences exist up to this time. Empty if the rule has an end.",
    )
    edited_since_import = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Edited by hand: later versions of its calendar skip it.",
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    objects = SeriesQuerySet.as_manager()

    _parsed_schedule: tuple[tuple[Any, ...], Schedule] | None = None

    audited_fields = (
        *EventDetails.audited_fields,
        "category",
        "status",
        "rule",
        "excluded",
        "rule_timezone",
        "deleted_at",
    )

    class Meta:
        verbose_name_plural = "series"
        constraints = [
            models.CheckConstraint(
                condition=Q(max_capacity=None) | Q(max_capacity__gte=1),
                name="series_capacity_positive",
            ),
            models.CheckConstraint(
                condition=Q(end_time__gt=F("start_time")), name="series_ends_after_start"
            ),
            models.CheckConstraint(condition=IS_SOMEWHERE | IS_NOWHERE, name="series_on_earth"),
        ]
        indexes = [
            models.Index(
                fields=["filled_to", "id"], condition=Q(deleted_at=None), name="series_to_fill"
            ),
            models.Index(
                fields=["created_at", "id"],
                condition=Q(deleted_at=None),
                name="series_by_creation",
            ),
        ]

    @property
    def edit_tag(self) -> str:
        """Identifies the last edit of the row; see `config.api.http.conditional`."""
        return f"series-{self.pk}.{self.version}"

    @property
    def rule_zone(self) -> ZoneInfo:
        return ZoneInfo(self.rule_timezone)

    @property
    def nominal_start(self) -> datetime:
        """The wall-clock time of the first occurrence, before a gap moves it."""
        return self.written_start + self.moved_by

    def turn_at(self, nominal: datetime) -> Turn:
        """The same as `Schedule.turn_at`, without the schedule."""
        is_first = nominal == self.nominal_start
        return Turn(
            nominal, self.start_time if is_first else at_wall_clock(nominal, self.rule_zone)
        )

    @property
    def exclusions(self) -> frozenset[date | datetime]:
        """Nominal days, and instants in UTC."""
        return self.schedule.excluded

    @property
    def schedule(self) -> Schedule:
        """The rule and its moves, parsed once for each state of the columns."""
        columns = self._schedule_columns
        if self._parsed_schedule is None or self._parsed_schedule[0] != columns:
            schedule = Schedule(
                parse_rule(self.written_rule),
                self.written_start,
                ZoneInfo(self.written_timezone),
                self.rule_zone,
                shift=self.moved_by,
                first_at=self.start_time,
                excluded=frozenset(parse_exclusion(text, UTC) for text in self.excluded),
            )
            self._parsed_schedule = columns, schedule
        return self._parsed_schedule[1]

    @schedule.setter
    def schedule(self, schedule: Schedule) -> None:
        self.rule = rendered_rule(schedule)
        self.rule_timezone = schedule.zone.key
        self.excluded = sorted(map(stored_exclusion, schedule.excluded))
        self.written_rule = schedule.rule.text
        self.written_start = schedule.start
        self.written_timezone = schedule.written_in.key
        self.moved_by = schedule.shift
        if schedule.first_at == self.start_time:
            self._parsed_schedule = self._schedule_columns, schedule

    @property
    def _schedule_columns(self) -> tuple[Any, ...]:
        return (
            self.written_rule,
            self.written_start,
            self.written_timezone,
            self.rule_timezone,
            self.moved_by,
            self.start_time,
            tuple(self.excluded),
        )
