"""The indexes of events. The comment before an index names the queries that need it."""

from django.contrib.postgres.indexes import GinIndex, GistIndex, OpClass
from django.db import models
from django.db.models import F, Q

from config.api.text.folding import Folded, alphabetical

from .expressions import Point, Span
from .sample import Halvings, HalvingsUpTo, IsSampled
from .search_word import HeadingWords, NamesByWeek, NameWords

_IS_PUBLIC = Q(status="published", deleted_at=None)

INDEXES = [
    # The default list, `when=past`, and the walks of searches and suggestions.
    # Counts of the list read this index alone, so it has the visibility.
    models.Index(
        fields=["start_time", "id"],
        include=["visibility"],
        condition=_IS_PUBLIC,
        name="published_by_start",
    ),
    # `ordering=created_at`. With the start, which separates upcoming events from past ones
    # within the index.
    models.Index(
        fields=["created_at", "id", "start_time"],
        condition=_IS_PUBLIC,
        name="public_by_creation",
    ),
    # `ordering=name`, with the start for the same reason.
    models.Index(
        alphabetical("name"),
        "id",
        "start_time",
        condition=_IS_PUBLIC,
        name="public_by_alphabet",
    ),
    # `available=true` and `available=false`.
    models.Index(
        fields=["is_available", "start_time", "id"],
        condition=_IS_PUBLIC,
        name="public_by_seats",
    ),
    # `attendance_mode=online` and others.
    models.Index(
        fields=["attendance_mode", "start_time", "id"],
        condition=_IS_PUBLIC,
        name="public_by_attendance",
    ),
    # `status=draft` and `status=cancelled`.
    models.Index(
        fields=["status", "start_time", "id"],
        condition=Q(deleted_at=None) & ~Q(status="published"),
        name="others_by_status",
    ),
    # The number of events of each category in the list of categories.
    models.Index(
        fields=["category"],
        include=["visibility"],
        condition=_IS_PUBLIC,
        name="published_by_category",
    ),
    # Several statuses at once, and the admin's list by start.
    models.Index(fields=["start_time"], condition=Q(deleted_at=None), name="by_start"),
    # `when=ongoing` and `on=2027-03-01`, for drafts too.
    GistIndex(Span("start_time", "end_time"), condition=Q(deleted_at=None), name="by_span"),
    # `near=52.52,13.4`, and `ordering=distance`.
    GistIndex(
        Point("latitude", "longitude"),
        condition=_IS_PUBLIC & Q(latitude__isnull=False),
        name="public_by_place",
    ),
    # `category=meetup`, the admin's filter, and the deletion of a category.
    models.Index(fields=["category", "start_time", "id"], name="by_category_and_start"),
    # An account's own events, `organizer=7`, and the end of an account.
    models.Index(fields=["organizer", "start_time", "id"], name="by_organizer_and_start"),
    # The periodic task that enqueues reminders.
    models.Index(
        fields=["next_reminder_at"],
        condition=Q(next_reminder_at__isnull=False),
        name="reminders_due",
    ),
    # The periodic task that invites attendees to give feedback.
    models.Index(
        fields=["end_time"],
        condition=_IS_PUBLIC & Q(feedback_asked_at=None),
        name="feedback_not_asked",
    ),
    # `series=7`, the occurrences of a series, and its foreign key.
    models.Index(
        fields=["series", "start_time", "id"],
        condition=Q(series__isnull=False),
        name="by_series_and_start",
    ),
    # Searches: words anywhere, words of headings, and words of names. New entries are in
    # the pending list, which every search reads. Its limit is in kilobytes.
    GinIndex(fields=["search_vector"], name="event_search", gin_pending_list_limit=256),
    GinIndex(
        HeadingWords("search_vector"),
        name="event_heading_search",
        gin_pending_list_limit=256,
    ),
    GinIndex(NameWords("search_vector"), name="event_name_search", gin_pending_list_limit=256),
    # Suggestions, which search it once for each of many weeks. So it has no pending list.
    GinIndex(
        NamesByWeek("search_vector", "start_time"),
        condition=_IS_PUBLIC,
        fastupdate=False,
        name="public_names_by_week",
    ),
    # Facets are counted from this index alone. An entry has room for the longest name and
    # location, but not for a longer text.
    models.Index(
        F("status"),
        F("category"),
        Halvings(),
        F("start_time"),
        include=[
            "id",
            "end_time",
            "deleted_at",
            "is_available",
            "organizer",
            "series",
            "latitude",
            "longitude",
            "location",
            "name",
            "visibility",
        ],
        condition=Q(IsSampled()),
        name="event_sample_columns",
    ),
    # Facets of a list that is filtered by texts.
    GinIndex(
        F("search_vector"),
        HalvingsUpTo(),
        OpClass(Folded("name"), "gin_trgm_ops"),
        OpClass(Folded("location"), "gin_trgm_ops"),
        condition=Q(IsSampled()),
        gin_pending_list_limit=256,
        name="event_sample_folded",
    ),
    # `name=jazz`, `location=oslo`, and the admin's search.
    GinIndex(OpClass(Folded("name"), "gin_trgm_ops"), name="event_name_folded"),
    GinIndex(OpClass(Folded("location"), "gin_trgm_ops"), name="event_location_folded"),
]
