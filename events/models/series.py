from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Count, F, Q
from django.utils.timezone import now

from ..recurrence import Recurrence, parse_rule
from .category import Category
from .plan import IS_NOWHERE, IS_SOMEWHERE, Plan

if TYPE_CHECKING:
    from accounts.models import User


class SeriesQuerySet(models.QuerySet["Series"]):
    def existing(self) -> "SeriesQuerySet":
        """Not deleted."""
        return self.filter(deleted_at=None)

    def visible_to(self, user: "User | AnonymousUser") -> "SeriesQuerySet":
        """Drafts for their organizer and staff; no deleted ones."""
        if user.is_staff:
            return self.existing()
        not_draft = ~Q(status=Series.Status.DRAFT)
        own = Q(organizer_id=user.pk) if user.pk else Q()
        return self.existing().filter(not_draft | own if own else not_draft)

    def for_display(self) -> "SeriesQuerySet":
        """With what `SeriesOut` shows, in one query."""
        counted = Q(events__deleted_at=None) & ~Q(events__status="cancelled")
        return self.select_related("organizer", "category").annotate(
            occurrence_count=Count("events", filter=counted)
        )


class Series(Plan):
    """Events that recur. The times are those of the first occurrence; the others follow the rule.

    Its columns are what the next occurrences will be like; those that exist are events of their
    own.
    """

    class Status(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"

    category = models.ForeignKey(Category, models.SET_NULL, null=True, blank=True, related_name="+")
    status = models.CharField(max_length=16, choices=Status, default=Status.PUBLISHED)
    organizer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="organized_series"
    )
    rule = models.TextField(help_text="RFC 5545 RRULE.")
    excluded = ArrayField(
        models.CharField(max_length=19),
        default=list,
        blank=True,
        help_text="Days, or wall-clock times, that the rule leaves out (RFC 5545 EXDATE).",
    )
    rule_timezone = models.CharField(
        max_length=64,
        help_text="Whose clocks the rule goes by: `timezone`, unless that alone was changed since.",
    )
    filled_to = models.DateTimeField(
        null=True,
        editable=False,
        help_text="Up to when its occurrences exist. Empty when the rule has an end.",
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    objects = SeriesQuerySet.as_manager()

    audited_fields = (
        *Plan.audited_fields,
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
        ]

    @property
    def edit_tag(self) -> str:
        """Names this row as it was last edited; see `config.api.conditional`."""
        return f"series-{self.pk}.{self.version}"

    @property
    def rule_zone(self) -> ZoneInfo:
        return ZoneInfo(self.rule_timezone)

    @property
    def recurrence(self) -> Recurrence:
        return Recurrence(parse_rule(self.rule), frozenset(self.excluded))
