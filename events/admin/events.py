"""Events in the admin."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.admin import AuditedAdmin, staff_of
from accounts.models import User
from config.api.admin import NotifyForm, confirmed_answers

from ..models import Event
from ..services import cancel_event, delete_event, publish_event, restore_event
from .event_forms import SEATS, TEXTS, CancellationForm, EventForm, local_text
from .questions import questions_list
from .team import TeamInline, save_team, team_table

_TIMES = ("timezone", "start_time", "end_time", "reminder_hours")
_HISTORY = (
    ("registered_count", "waitlist_count"),
    ("average_rating", "feedback_count"),
    ("cancelled_at", "cancellation_reason"),
    "deleted_at",
    ("created_at", "updated_at"),
    ("version", "sequence"),
    ("series", "edited_by_hand"),
    ("import_key", "import_sequence", "edited_since_import"),
)


class DeletedFilter(admin.SimpleListFilter):
    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("all", "All, deleted or not")]

    def choices(self, changelist: Any) -> Any:
        choices = super().choices(changelist)
        yield {**next(choices), "display": "No (unless you choose)"}
        yield from choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        if self.value() == "all":
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() != "yes")


class WhenFilter(admin.SimpleListFilter):
    title = "when"
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("upcoming", "Upcoming"), ("ongoing", "Ongoing"), ("past", "Past")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        when = self.value()
        return getattr(queryset, when)() if when in dict(self.lookup_choices) else queryset


@admin.register(Event)
class EventAdmin(AuditedAdmin):
    form = EventForm
    gone = "It is deleted; restore it first."
    delete_confirmation_template = "admin/events/event/delete_confirmation.html"
    list_display = (
        "name",
        "starts",
        "location",
        "category",
        "organizer",
        "state",
        "seats",
    )
    # No `date_hierarchy`: it reads every event to find the years.
    list_filter = (DeletedFilter, WhenFilter, "start_time", "status", "category")
    ordering = ("-id",)
    search_fields = ("name__contains_folded", "location__contains_folded")
    search_help_text = "Part of the name or of the location."
    autocomplete_fields = ("organizer", "category")
    readonly_fields = [
        "status",
        "organizer",
        "registered_count",
        "waitlist_count",
        "average_rating",
        "feedback_count",
        "cancelled_at",
        "cancellation_reason",
        "deleted_at",
        "created_at",
        "updated_at",
        "version",
        "sequence",
        "series",
        "edited_by_hand",
        "import_key",
        "import_sequence",
        "edited_since_import",
        "questions",
        "team",
        "changes",
    ]
    actions = ["publish_events", "cancel_events", "delete_selected", "restore_events"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return Event.objects.for_display().order_by(*self.ordering)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        if request.path.endswith("/autocomplete/"):
            queryset = queryset.existing()
        return super().get_search_results(request, queryset, search_term)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, *args, **kwargs)  # a new class for each request
        form.request = request
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        may_edit = obj is None or self.has_change_permission(request, obj)
        zone = "the event's own zone" if may_edit else "your zone"
        fieldsets = [
            (None, {"fields": (*TEXTS, "organizer", "status")}),
            ("Time", {"fields": _TIMES, "description": f"Times are in {zone}."}),
            ("Seats", {"fields": SEATS}),
        ]
        if obj and may_edit:
            fieldsets.append((None, {"fields": ("seen_version",), "classes": ("hidden",)}))
        if obj:
            fieldsets.append(("So far", {"fields": _HISTORY}))
            fieldsets.append(("Questions", {"fields": ("questions",)}))
            if not TeamInline(Event, self.admin_site).has_view_permission(request, obj):
                fieldsets.append(("Team", {"fields": ("team",)}))
            fieldsets.append(("Changes", {"fields": ("changes",)}))
        return fieldsets

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return (TeamInline,) if obj else ()

    def get_formsets_with_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without the rows of the team, a form leaves the team as it is."""
        for formset, inline in super().get_formsets_with_inlines(request, obj):
            if request.method != "POST" or "team-TOTAL_FORMS" in request.POST:
                yield formset, inline

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        staff = staff_of(request)
        defaults = {"organizer": staff.pk, "timezone": staff.timezone}
        return defaults | super().get_changeform_initial_data(request)

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "organizer":
            kwargs["queryset"] = User.objects.filter(is_active=True)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not for cancelled events, nor for deleted ones, which staff can restore first."""
        is_closed = obj and (obj.deleted_at or obj.status == Event.Status.CANCELLED)
        return not is_closed and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_deleted = obj and obj.deleted_at
        return not is_deleted and super().has_delete_permission(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Only the events themselves: registrations stay."""
        return [str(event) for event in objs], {}, set(), []

    def save_model(self, request: HttpRequest, obj: Event, form: Any, change: bool) -> None:
        obj.pk = form.write().pk
        obj.refresh_from_db()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        save_team(formset, staff_of(request))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        people = Event.objects.filter(pk=unquote(object_id)).people_to_notify()
        context = {"notify_form": NotifyForm(people=people), **(extra_context or {})}
        return super().delete_view(request, object_id, context)

    def delete_model(self, request: HttpRequest, obj: Event) -> None:
        delete_event(obj, notify="notify" in request.POST)

    @admin.display
    def questions(self, event: Event) -> str:
        return questions_list(event)

    @admin.display(description="members and invitations")
    def team(self, event: Event) -> str:
        return team_table(event)

    @admin.display(ordering="start_time")
    def starts(self, event: Event) -> str:
        return f"{local_text(event.start_time, event).replace('T', ' ')} {event.timezone}"

    @admin.display(ordering="status")
    def state(self, event: Event) -> str:
        return "Deleted" if event.deleted_at else event.get_status_display()

    @admin.display(description="seats taken", ordering="registered_count")
    def seats(self, event: Event) -> str:
        limit = "" if event.max_capacity is None else f" of {event.max_capacity}"
        waiting = f", {event.waitlist_count} waiting" if event.waitlist_count else ""
        return f"{event.registered_count}{limit}{waiting}"

    @admin.action(description="Publish the selected drafts", permissions=["change"])
    def publish_events(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        events = queryset.exclude(status=Event.Status.PUBLISHED)
        self.act_on(request, events, publish_event, "Published")

    @admin.action(description="Cancel the selected events…", permissions=["change"])
    def cancel_events(self, request: HttpRequest, queryset: QuerySet[Event]) -> HttpResponse | None:
        events: Any = queryset.exclude(status=Event.Status.CANCELLED)
        form = CancellationForm(confirmed_answers(request), people=events.people_to_notify())
        page = self.ask_first(
            request,
            events,
            question="Cancel these events?",
            consequence="They stay readable as cancelled, and nobody can register. This is final.",
            form=form,
        )
        if page is None:
            answers = form.cleaned_data
            self.act_on(request, events, lambda event: cancel_event(event, **answers), "Cancelled")
        return page

    @admin.action(description="Delete the selected events…", permissions=["delete"])
    def delete_selected(
        self, request: HttpRequest, queryset: QuerySet[Event]
    ) -> HttpResponse | None:
        """Replaces Django's action of that name, which deletes rows."""
        return self.act_after_question(
            request,
            queryset.filter(deleted_at=None),
            delete_event,
            "Deleted",
            question="Delete these events?",
            consequence="They disappear for everybody but staff. Their registrations stay, and "
            "you can restore them.",
        )

    @admin.action(description="Restore the selected deleted events…", permissions=["delete"])
    def restore_events(
        self, request: HttpRequest, queryset: QuerySet[Event]
    ) -> HttpResponse | None:
        return self.act_after_question(
            request,
            queryset.exclude(deleted_at=None),
            restore_event,
            "Restored",
            question="Restore these events?",
            consequence="They are back as they were, with their registrations. Free seats go to "
            "the waitlist.",
        )

    def act_after_question(
        self,
        request: HttpRequest,
        events: Any,  # an EventQuerySet
        service: Callable[..., object],
        verb: str,
        *,
        question: str,
        consequence: str,
    ) -> HttpResponse | None:
        """Calls `service` on each event once staff have confirmed.

        The page to confirm on shows how many people are notified. `verb` is for the message.
        """
        people = events.people_to_notify()
        form = NotifyForm(confirmed_answers(request), people=people)
        page = self.ask_first(
            request, events, question=question, consequence=consequence, form=form
        )
        if page is None:
            answers = form.cleaned_data
            self.act_on(request, events, lambda event: service(event, **answers), verb)
        return page
