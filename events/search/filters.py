"""The query parameters of every list of events."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Q, QuerySet
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
from config.api.pagination.paginator import is_cacheable, read_filters, read_note, viewer_key
from config.api.sql.sentinels import ParameterText
from config.api.staff_rights import has_staff_right
from config.errors import FieldError, ValidationFailed

from ..models import (
    AttendanceMode,
    Category,
    Event,
    EventQuerySet,
    Role,
    happens_between,
    is_ongoing,
    listed_events,
)
from .geo import DEFAULT_RADIUS_KM, MAX_RADIUS_KM, MIN_RADIUS_KM, Nearby
from .page_planner import PagePlan
from .page_sql import Selection
from .parsing import read_search
from .short_parts import TRIGRAM_LENGTH, folded_length, short_part_condition

WHEN = ("upcoming", "ongoing", "past", "all")
# The column of each filter by a part of a text.
_PART_COLUMNS = {"name": "name", "title": "name", "location": "location"}


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
    """A slug. A repeated parameter matches any of its slugs."""

    takes_several = True

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        slugs = self.parent.data.getlist("category")
        for slug in slugs:
            require_query_text("category", slug)
            if not slug:  # an empty value would silently match every event
                raise ValidationFailed(FieldError("category", "invalid", "Send a slug."))
        if not slugs:
            return qs
        # A value instead of a join, for the index on category and start. `_select_planned` filters
        # by several slugs.
        if len(slugs) > 1:
            return qs
        return qs.filter(category=_category_ids([ParameterText(slugs[0])])[:1])


def _category_ids(slugs: list[str]) -> QuerySet[Category, int]:
    return Category.objects.filter(slug__in=slugs).values_list("pk", flat=True)


class EventFilter(StrictFilterSet):
    default_when = "upcoming"
    default_status: str | None = Event.Status.PUBLISHED

    search = TextFilter(
        method="apply_later",
        help_text=(
            "Words in name, description, location or category, in any order; each may be the"
            ' beginning of a word. "Quoted words" stand together; -word leaves events out.'
        ),
    )
    name = TextFilter(
        method="apply_later", help_text="Part of the name. Case and accents do not matter."
    )
    title = TextFilter(method="apply_later", help_text="The same as `name`.")
    location = TextFilter(
        method="apply_later", help_text="Part of the place. Case and accents do not matter."
    )
    category = SlugsFilter(help_text="Slug of a category; may be repeated.")
    organizer = IdFilter(field_name="organizer_id", help_text="Id of the organizer.")
    date = DayFilter(method="on_day", help_text="Starts on this day in the request's zone.")
    on = DayFilter(
        method="apply_later",
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
        method="apply_later",
        help_text="Latitude and longitude, in degrees: within `radius` of there.",
    )
    radius = KilometresFilter(
        method="apply_later",
        min_value=MIN_RADIUS_KM,
        max_value=MAX_RADIUS_KM,
        help_text=f"Kilometres around `near`. Default: {DEFAULT_RADIUS_KM:.0f}.",
    )

    class Meta:
        model = Event
        fields: list[str] = []

    @classmethod
    def plan(
        cls, request: Request, list_name: str, build_events: Callable[[], EventQuerySet]
    ) -> PagePlan:
        """The plan for the pages of a list.

        `build_events` returns the events of the list before they are filtered. It must depend on
        `list_name` and the viewer alone. Raises `ValidationError` or `ValidationFailed`, at the
        latest when the plan selects events.
        """
        parameters = request.query_params

        def select() -> Selection:
            filters = cls(parameters, queryset=build_events(), request=request)
            if not filters.is_valid():
                raise translate_validation(filters.errors)
            return filters.selection(build_events())

        cache_key = cls._cache_key(request, list_name)
        if cache_key is None:
            selection = select()
            return cls._plan_of(request, lambda: selection)
        plan = cls._plan_of(request, select)
        if plan.is_empty:
            select()  # no page does, and it raises the errors of the other filters
        is_prepared = not read_filters(request, but=("search", "category"))
        return replace(plan, cache_key=cache_key, viewer=request.user, is_prepared=is_prepared)

    @staticmethod
    def _plan_of(request: Request, select: Callable[[], Selection]) -> PagePlan:
        """The plan, without caching its SQL."""
        parameters = request.query_params
        text = parameters.get("search", "").strip()
        search = read_search(text, read_corrections(request)) if text else None
        is_rare = parameters.get("when") == "ongoing" or "on" in parameters
        planned = (*_PART_COLUMNS, "search", "near")
        return PagePlan(
            select,
            search,
            has_ordered_index=not (
                is_rare
                or any(parameters.get(name, "").strip() for name in planned)
                or len(parameters.getlist("category")) > 1
            ),
            is_rare=is_rare,
            is_empty=search is not None and search.is_empty,
        )

    @staticmethod
    def _cache_key(request: Request, list_name: str) -> Hashable:
        """Everything that the SQL depends on, except for the words of the search.

        None if the SQL depends on rows as well, or if the query string is too long for a key.
        """
        parameters = request.query_params
        parts = [parameters.get(name, "").strip() for name in _PART_COLUMNS]
        if (
            not is_cacheable(request)
            or "\x00" in parameters.get("search", "")
            or len(parameters.getlist("category")) > 1
            or any(part and folded_length(part) < TRIGRAM_LENGTH for part in parts)
        ):
            return None
        return (list_name, viewer_key(request), *read_filters(request, but=("search",)))

    def filter_queryset(self, queryset: Any) -> Any:
        """All matches, for conditions on other tables. Lists use `plan`."""
        selection = self.selection(queryset)
        return self._plan_of(self.request, lambda: selection).finalized().matches()

    def selection(self, queryset: EventQuerySet) -> Selection:
        """The events by all filters except the search."""
        values = self.form.cleaned_data
        events = super().filter_queryset(queryset)
        if not values["when"]:
            is_of_a_day = values["on"] is not None or values["date"] is not None
            when = "all" if is_of_a_day else self.default_when
            events = self.by_time(events, "when", when)
        if self.default_status and not values.get("status"):
            events = events.filter(status=self.default_status)
        user = self.request.user
        only_drafts = values.get("status") == [Event.Status.DRAFT]
        if only_drafts and not has_staff_right(user, "events.view_event"):
            # Other users see only their own drafts, for which there are indexes.
            own = listed_events(user)
            events = events.none() if own is None else events.filter(own)
        return self._select_planned(events, values)

    def _select_planned(self, events: EventQuerySet, values: dict[str, Any]) -> Selection:
        """Adds the filters that no ordered index answers."""
        condition = Q()
        if values["when"] == "ongoing":
            condition &= is_ongoing()
        if values["on"] is not None:
            day = _bounds(values["on"])
            if day is None:
                return Selection(events.none())
            condition &= happens_between(*day)
        for name, column in _PART_COLUMNS.items():
            if values[name]:
                folded = {f"{column}__contains_folded": values[name]}
                condition &= Q(**folded) & short_part_condition(values[name])
        slugs = self.data.getlist("category")
        if len(slugs) > 1:
            # The planner knows how common each id is. No category has the id 0.
            condition &= Q(category__in=list(_category_ids(slugs)) or [0])
        if values["radius"] is not None and values["near"] is None:
            raise ValidationFailed(FieldError("near", "required", "Send it with radius."))
        if values["near"] is not None:
            latitude, longitude = values["near"]
            nearby = Nearby(latitude, longitude, values["radius"] or DEFAULT_RADIUS_KM)
            events = nearby.with_chord(events)
            condition &= nearby.condition
        return Selection(events, condition)

    def apply_later(self, events: EventQuerySet, name: str, value: Any) -> EventQuerySet:
        """Leaves the filter to `_select_planned`, and the search to the plan."""
        return events

    def on_day(self, events: EventQuerySet, name: str, day: Any) -> EventQuerySet:
        bounds = _bounds(day)
        if bounds is None:
            return events.none()
        begin, end = bounds
        return events.filter(start_time__gte=begin, start_time__lt=end)

    def by_time(self, events: EventQuerySet, name: str, when: str) -> EventQuerySet:
        if when in {"all", "ongoing"}:  # `_select_planned` filters the ongoing ones
            return events
        return getattr(events, when)()  # type: ignore[no-any-return]

    def by_seats(self, events: EventQuerySet, name: str, available: bool) -> EventQuerySet:
        return events.with_free_seat() if available else events.without_free_seat()


def _bounds(day: date) -> tuple[datetime, datetime] | None:
    """The first instants of a day and of the next one, in the request's zone.

    None beyond the calendar: for the last day of a `date`, and for the first one west of UTC.
    """
    zone = timezone.get_current_timezone()
    try:
        begin = datetime.combine(day, time.min, zone).astimezone(UTC)
        return begin, datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)
    except OverflowError:
        return None


def read_corrections(request: Request) -> dict[str, list[str]] | None:
    """The corrections in the cursor, from the first page of the search. None on that page."""
    note = read_note(request)
    return note if isinstance(note, dict) else None


class OwnEventFilter(EventFilter):
    """The filters of one's own events, which include every status and time by default."""

    role: Any = ChoiceFilter(
        choices=Role.choices, method="by_role", help_text="Events on which I have this role."
    )

    default_when = "all"
    default_status = None

    def by_role(self, events: EventQuerySet, name: str, role: str) -> EventQuerySet:
        return events.with_role(self.request.user, role)
