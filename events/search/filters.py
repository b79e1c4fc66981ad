"""The query parameters of every list of events."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django_filters.utils import translate_validation
from drf_spectacular.utils import extend_schema_field
from rest_framework.request import Request

from config.api.fields import ANY_TEXT, require_query_text
from config.api.filters import (
    ChoiceFilter,
    ChoicesFilter,
    CoordinatesFilter,
    DayFilter,
    IdFilter,
    InstantFilter,
    KilometresFilter,
    StrictFilterSet,
    TextFilter,
    TrueOrFalseFilter,
)
from config.api.pagination.paginator import read_filters, read_note
from config.api.staff_rights import has_staff_right
from config.errors import FieldError, ValidationFailed

from ..models import AttendanceMode, Category, Event, EventQuerySet, happens_between, is_ongoing
from .geo import DEFAULT_RADIUS_KM, MAX_RADIUS_KM, MIN_RADIUS_KM, Nearby
from .page_planner import PagePlan
from .page_sql import Listed
from .query import OF_TRIGRAMS, folded_length, has_part, read_search

WHEN = ("upcoming", "ongoing", "past", "all")
# Filters by a part of a text, with its column.
_PARTS = {"name": "name", "title": "name", "location": "location"}


@extend_schema_field(
    {
        "type": "array",
        "items": {
            "type": "string",
            "minLength": 1,
            "pattern": ANY_TEXT,
            "examples": ["conference"],
        },
    }
)
class SlugsFilter(TextFilter):
    """A slug; given several times, any of them."""

    takes_several = True

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        slugs = self.parent.data.getlist("category") if "category" in self.parent.data else []
        for slug in slugs:
            require_query_text("category", slug)
            if not slug:  # one empty value would quietly let every event through
                raise ValidationFailed(FieldError("category", "invalid", "Send a slug."))
        if not slugs:
            return qs
        # A value, and not a join, for the index on category and start. Several: see `_listed`.
        return qs.filter(category=_with(slugs)[:1]) if len(slugs) == 1 else qs


def _with(slugs: list[str]) -> QuerySet[Category, int]:
    return Category.objects.filter(slug__in=slugs).values_list("pk", flat=True)


class EventFilter(StrictFilterSet):
    default_when = "upcoming"
    default_status: str | None = Event.Status.PUBLISHED

    search = TextFilter(
        method="last",
        help_text=(
            "Words in name, description, location or category, in any order; each may be the"
            ' beginning of a word. "Quoted words" stand together; -word leaves events out.'
        ),
    )
    name = TextFilter(method="last", help_text="Part of the name. Case and accents do not matter.")
    title = TextFilter(method="last", help_text="The same as `name`.")
    location = TextFilter(
        method="last", help_text="Part of the place. Case and accents do not matter."
    )
    category = SlugsFilter(help_text="Slug of a category; may be repeated.")
    organizer = IdFilter(field_name="organizer_id", help_text="Id of the organizer.")
    date = DayFilter(method="on_day", help_text="Starts on this day in the request's zone.")
    on = DayFilter(
        method="last",
        help_text="Happens on this day in the request's zone, if only in part.",
    )
    start_after = InstantFilter(
        field_name="start_time", lookup_expr="gte", help_text="Starts then or later."
    )
    start_before = InstantFilter(
        field_name="start_time", lookup_expr="lt", help_text="Starts before."
    )
    series = IdFilter(field_name="series_id", help_text="Id of the series that it is part of.")
    when = ChoiceFilter(
        choices=[(name, name) for name in WHEN],
        method="by_time",
        help_text="Default: upcoming; with `on` or `date`, all.",
    )
    attendance_mode = ChoicesFilter(
        choices=AttendanceMode.choices, help_text="How people attend. May be repeated."
    )
    available = TrueOrFalseFilter(method="by_seats", help_text="Has a free seat, or has none.")
    status = ChoicesFilter(
        choices=Event.Status.choices,
        help_text="Default: published. Drafts are one's own only. May be repeated.",
    )

    near = CoordinatesFilter(
        method="last", help_text="Latitude and longitude, in degrees: within `radius` of there."
    )
    radius = KilometresFilter(
        method="last",
        min_value=MIN_RADIUS_KM,
        max_value=MAX_RADIUS_KM,
        help_text=f"Kilometres around `near`. Default: {DEFAULT_RADIUS_KM:.0f}.",
    )

    class Meta:
        model = Event
        fields: list[str] = []

    @staticmethod
    def narrows(parameters: QueryDict) -> bool:
        """Whether these parameters make a `PagePlan`."""
        page_plan = {"search", "name", "title", "location", "near", "radius", "on"}
        return (
            not page_plan.isdisjoint(parameters)
            or len(parameters.getlist("category")) > 1
            or parameters.get("when") == "ongoing"
        )

    @classmethod
    def compiled_page_plan(
        cls, request: Request, make: Callable[[], EventQuerySet]
    ) -> PagePlan | None:
        """Of what a guest asks for, by SQL that is kept. None where it depends on more than the
        parameters."""
        given = request.query_params
        text = given.get("search", "").strip()
        parts = [given.get(name, "").strip() for name in _PARTS]
        if (
            "\x00" in text
            or len(given.getlist("category")) > 1
            or any(part and folded_length(part) < OF_TRIGRAMS for part in parts)
        ):
            return None

        def listed() -> Listed:
            filters = cls(given, queryset=make(), request=request)
            if not filters.is_valid():
                raise translate_validation(filters.errors)
            return filters._listed(make())

        search = read_search(text, read_corrections(request)) if text else None
        if search and search.is_empty:
            return None
        key = read_filters(request, but="search")
        is_rare = given.get("when") == "ongoing" or "on" in given
        return PagePlan(listed, search, is_rare, key)

    def filter_queryset(self, queryset: Any) -> Any:
        listed = self._listed(queryset)
        chosen = self.form.cleaned_data
        is_rare = chosen["when"] == "ongoing" or chosen["on"] is not None
        if not chosen["search"]:
            page_plan = PagePlan(lambda: listed, is_rare=is_rare)
            return page_plan.applied() if listed.condition else listed.events
        search = read_search(chosen["search"], read_corrections(self.request))
        if search.is_empty:
            return listed.events.none().annotate(rank=search.ts_queries.rank())
        return PagePlan(lambda: listed, search, is_rare).settled().applied()

    def _listed(self, queryset: Any) -> Listed:
        chosen = self.form.cleaned_data
        events = super().filter_queryset(queryset)
        if not chosen["when"]:
            is_of_a_day = chosen["on"] is not None or chosen["date"] is not None
            when = "all" if is_of_a_day else self.default_when
            events = self.by_time(events, "when", when)
        if self.default_status and not chosen.get("status"):
            events = events.filter(status=self.default_status)
        user = self.request.user
        only_drafts = chosen.get("status") == [Event.Status.DRAFT]
        if only_drafts and not has_staff_right(user, "events.view_event"):
            # Others see no drafts; that they are one's own, an index knows.
            events = events.filter(organizer=user.pk)
        condition = Q()
        if chosen["when"] == "ongoing":
            condition &= is_ongoing()
        if chosen["on"] is not None:
            day = _bounds(chosen["on"])
            if day is None:
                return Listed(events.none())
            condition &= happens_between(*day)
        for name, column in _PARTS.items():
            if chosen[name]:
                folded = {f"{column}__contains_folded": chosen[name]}
                condition &= Q(**folded) & has_part(chosen[name])
        slugs = self.data.getlist("category") if "category" in self.data else []
        if len(slugs) > 1:
            # By their ids, of which the planner knows how common each is; none is 0.
            condition &= Q(category__in=list(_with(slugs)) or [0])
        if chosen["radius"] is not None and chosen["near"] is None:
            raise ValidationFailed(FieldError("near", "required", "Send it with radius."))
        if chosen["near"] is not None:
            latitude, longitude = chosen["near"]
            nearby = Nearby(latitude, longitude, chosen["radius"] or DEFAULT_RADIUS_KM)
            events = nearby.measured(events)
            condition &= nearby.condition
        return Listed(events, condition)

    def last(self, events: EventQuerySet, name: str, value: Any) -> EventQuerySet:
        """See `_listed`."""
        return events

    def on_day(self, events: EventQuerySet, name: str, day: Any) -> EventQuerySet:
        bounds = _bounds(day)
        if bounds is None:
            return events.none()
        begin, end = bounds
        return events.filter(start_time__gte=begin, start_time__lt=end)

    def by_time(self, events: EventQuerySet, name: str, when: str) -> EventQuerySet:
        if when in {"all", "ongoing"}:  # what is going on is in `_listed`
            return events
        return getattr(events, when)()  # type: ignore[no-any-return]

    def by_seats(self, events: EventQuerySet, name: str, available: bool) -> EventQuerySet:
        return events.with_free_seat() if available else events.without_free_seat()


def _bounds(day: date) -> tuple[datetime, datetime] | None:
    """A day's first instant in the request's zone, and the next day's. None beyond the calendar:
    the last day that a date can name, or the first one west of UTC."""
    zone = timezone.get_current_timezone()
    try:
        begin = datetime.combine(day, time.min, zone).astimezone(UTC)
        return begin, datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)
    except OverflowError:
        return None


def read_corrections(request: Request) -> dict[str, list[str]] | None:
    """Those that a search has from its first page. None on that page."""
    note = read_note(request)
    return note if isinstance(note, dict) else None


class OwnEventFilter(EventFilter):
    """Of one's own events nothing is left out unless asked for."""

    default_when = "all"
    default_status = None
