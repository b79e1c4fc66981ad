"""Series in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts.admin import AuditedAdmin
from config.api.admin import NotifyForm, confirmed_answers

from ..models import Event, Series
from ..services import end_series, publish_series
from .questions import questions_list
from .team import team_table

_TEXTS = (
    *("name", "description", "location", "category"),
    *("meeting_url", "attendance_mode", "visibility", "attendee_list", "organizer", "status"),
)
_RECURRENCE = (
    "rule",
    "excluded",
    "timezone",
    "rule_timezone",
    "start_time",
    "end_time",
    "filled_to",
)
_SEATS = (
    *("max_capacity", "waitlist_enabled", "max_party_size", "waitlist_policy"),
    "registration_mode",
    *("registration_opens_at", "registration_closes_at", "cancellation_closes_at"),
)


@admin.register(Series)
class SeriesAdmin(AuditedAdmin):
    """Shows, publishes and ends series. Staff edit them through the API, or event by event."""

    gone = "It has ended."
    list_display = ("name", "rule", "timezone", "organizer", "status", "has_ended")
    list_filter = ("status",)
    list_select_related = ("organizer",)
    ordering = ("-id",)
    search_fields = ("name__contains_folded", "location__contains_folded")
    search_help_text = "Part of the name or of the location."
    fieldsets = [
        (None, {"fields": (*_TEXTS, "occurrences")}),
        (
            "Recurs",
            {"fields": _RECURRENCE, "description": "Times are in your zone, of the first event."},
        ),
        ("Seats", {"fields": _SEATS}),
        ("Questions", {"fields": ("questions",)}),
        ("Team", {"fields": ("team",)}),
        ("So far", {"fields": (("created_at", "updated_at"), "deleted_at", "version", "changes")}),
    ]
    readonly_fields = ["occurrences", "filled_to", "created_at", "updated_at", "deleted_at",
                       "version", "questions", "team", "changes"]  # fmt: skip
    actions = ["publish_selected", "delete_selected"]
    delete_confirmation_template = "admin/events/series/delete_confirmation.html"

    @admin.display
    def questions(self, series: Series) -> str:
        return questions_list(series)

    @admin.display(description="members and invitations")
    def team(self, series: Series) -> str:
        return team_table(series)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only for the list, whose actions need it. There is no form."""
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        has_ended = obj and obj.deleted_at
        return not has_ended and super().has_delete_permission(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Only the series themselves: events are cancelled or removed by the service."""
        return [str(series) for series in objs], {}, set(), []

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        people = people_to_notify(Series.objects.filter(pk=unquote(object_id)))
        context = {"notify_form": NotifyForm(people=people), **(extra_context or {})}
        return super().delete_view(request, object_id, context)

    def delete_model(self, request: HttpRequest, obj: Series) -> None:
        end_series(obj, notify="notify" in request.POST)

    @admin.display(description="events")
    def occurrences(self, series: Series) -> str:
        """The number of events, as a link to their list."""
        count = series.events.existing().count()
        url = reverse("admin:events_event_changelist")
        return format_html('<a href="{}?series__id__exact={}">{}</a>', url, series.pk, count)

    @admin.display(boolean=True, description="ended")
    def has_ended(self, series: Series) -> bool:
        return series.deleted_at is not None

    @admin.action(description="Publish the selected drafts", permissions=["change"])
    def publish_selected(self, request: HttpRequest, queryset: QuerySet[Series]) -> None:
        drafts = queryset.filter(status=Series.Status.DRAFT, deleted_at=None)
        self.act_on(request, drafts, publish_series, "Published")

    @admin.action(description="End the selected series…", permissions=["delete"])
    def delete_selected(
        self, request: HttpRequest, queryset: QuerySet[Series]
    ) -> HttpResponse | None:
        """Replaces Django's action of that name, which deletes rows."""
        series = queryset.filter(deleted_at=None)
        form = NotifyForm(confirmed_answers(request), people=people_to_notify(series))
        page = self.ask_first(
            request,
            series,
            question="End these series?",
            consequence="Their coming events are cancelled where somebody is registered, and "
            "removed otherwise. Past events stay.",
            form=form,
        )
        if page is None:
            answers = form.cleaned_data
            self.act_on(request, series, lambda each: end_series(each, **answers), "Ended")
        return page


def people_to_notify(series: QuerySet[Series]) -> int:
    """The number of people to notify when these series end."""
    events = Event.objects.filter(series__in=series).ended_with_series(timezone.now())
    return events.people_to_notify()
