from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AdminTextInputWidget, AdminURLFieldWidget
from django.contrib.postgres.forms import SimpleArrayField
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.admin import AuditedAdmin, ZoneChoiceField, staff_of
from accounts.models import User
from config.api.admin import NotifyForm, ServiceForm, confirmed_answers
from config.api.text.visible_characters import validate_visible

from ..models import AttendanceMode, Category, Event
from ..models.base import default_reminder_hours
from ..serializers.event_input import EventCreateIn, EventIn
from ..services import (
    cancel_event,
    create_event,
    delete_event,
    edit_event,
    publish_event,
    restore_event,
)
from ..services.categories import delete_category, save_category
from ..services.editing import TIMES

_SEATS = (
    "max_capacity",
    "waitlist_enabled",
    "registration_opens_at",
    "registration_closes_at",
    "cancellation_closes_at",
)
_GIVEN = {
    "name",
    "description",
    "location",
    "latitude",
    "longitude",
    "category",
    "meeting_url",
    "timezone",
    "max_capacity",
    "waitlist_enabled",
    "reminder_hours",
    "status",
    "attendance_mode",
    *TIMES,
}
_WHEN = ("timezone", "start_time", "end_time", "reminder_hours")
_SO_FAR = (
    ("registered_count", "waitlist_count"),
    ("average_rating", "feedback_count"),
    ("cancelled_at", "cancellation_reason"),
    "deleted_at",
    ("created_at", "updated_at"),
    ("version", "sequence"),
    ("series", "edited_by_hand"),
    ("import_key", "import_sequence", "edited_since_import"),
)
_PLACE = ("latitude", "longitude")
_TEXTS = ("name", "description", "location", *_PLACE, "category", "meeting_url", "attendance_mode")


def local(moment: datetime | None, event: Event) -> str:
    """Wall-clock time in the event's zone, as `<input type="datetime-local">` writes it."""
    if moment is None:
        return ""
    precision = "seconds" if moment.second else "minutes"
    return moment.astimezone(event.zone).replace(tzinfo=None).isoformat(timespec=precision)


class WallClockField(forms.CharField):
    """What clocks at the event show; the serializer reads it, knowing the zone."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"type": "datetime-local"})
        super().__init__(widget=widget, empty_value=None, **kwargs)


class EventForm(ServiceForm):
    """What the API takes for an event, and checked by the same serializer and services."""

    request: HttpRequest  # set by the admin
    error_fields = {"capacity_below_registered": "max_capacity"}

    start_time = WallClockField()
    end_time = WallClockField(required=False, help_text="Empty: one hour after the start.")
    registration_opens_at = WallClockField(required=False, help_text="Empty: at once.")
    registration_closes_at = WallClockField(required=False, help_text="Empty: at the start.")
    cancellation_closes_at = WallClockField(
        required=False, help_text="Until when attendees may cancel. Empty: until the start."
    )
    timezone = ZoneChoiceField(help_text="Another zone keeps the times on the clock.")
    meeting_url = forms.URLField(
        required=False,
        assume_scheme="https",
        label="Meeting URL",
        widget=AdminURLFieldWidget,
        help_text="For the organizer, staff and confirmed attendees.",
    )
    attendance_mode = forms.TypedChoiceField(
        required=False,
        empty_value=None,
        choices=[("", "As location and meeting URL say"), *AttendanceMode.choices],
    )
    status = forms.ChoiceField(
        choices=[
            (status.value, status.label) for status in (Event.Status.PUBLISHED, Event.Status.DRAFT)
        ]
    )
    reminder_hours = SimpleArrayField(
        forms.IntegerField(),
        required=False,
        initial=default_reminder_hours,
        widget=AdminTextInputWidget,
        help_text="Hours before the start, parted by commas. Empty: none.",
    )
    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Event
        fields = (*_TEXTS, *TIMES, "timezone", "max_capacity", "waitlist_enabled")
        widgets = {
            name: forms.TextInput(attrs={"class": "vLargeTextField"})
            for name in ("name", "location")
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["seen_version"] = self.instance.version
            if not self.instance.is_attendance_mode_set:
                self.initial["attendance_mode"] = ""
            for name in TIMES:
                self.initial[name] = local(getattr(self.instance, name), self.instance)

    def rehearse(self) -> None:
        self.values = self._values()
        self.write()

    def write(self) -> Event:
        """Create or edit the event. Raises `DomainError`."""
        if self.instance.pk is None:
            return create_event(self.cleaned_data["organizer"], **self.values)
        seen = self.cleaned_data["seen_version"]
        return edit_event(
            self.instance,
            dict(self.values),
            keep_local_time=True,
            expected_versions=None if seen is None else {f"{self.instance.pk}.{seen}"},
        )

    def _values(self) -> dict[str, Any]:
        """For a new event all that was entered, else what was changed, as services take it."""
        is_new = self.instance.pk is None
        changed = set(self.changed_data)
        if not changed.isdisjoint(_PLACE):
            changed |= set(_PLACE)  # two halves of one fact
        given = {
            name: value.slug if isinstance(value, Category) else value
            for name, value in self.cleaned_data.items()
            if name in _GIVEN and (is_new or name in changed)
        }
        has_end = given.get("end_time", ...) is not None
        serializer = (EventCreateIn if is_new else EventIn)(
            data=given if has_end else {k: v for k, v in given.items() if k != "end_time"},
            context={"request": self.request, "event": None if is_new else self.instance},
            partial=not is_new,
        )
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data) | ({} if has_end else {"end_time": None})


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


class CancellationForm(NotifyForm):
    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Shown with the event.",
    )
    field_order = ("reason", "notify")


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
    # No `date_hierarchy`, which reads every event to know the years that there are.
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
        zone = "the event's own zone" if may_edit else "UTC"
        shown = [
            (None, {"fields": (*_TEXTS, "organizer", "status")}),
            ("Time", {"fields": _WHEN, "description": f"Times are in {zone}."}),
            ("Seats", {"fields": _SEATS}),
        ]
        if obj and may_edit:
            shown.append((None, {"fields": ("seen_version",), "classes": ("hidden",)}))
        so_far = [("So far", {"fields": _SO_FAR}), ("Changes", {"fields": ("changes",)})]
        return [*shown, *so_far] if obj else shown

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
        """Cancelled is final, and what is deleted must be restored first."""
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

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        people = Event.objects.filter(pk=unquote(object_id)).people_to_notify()
        context = {"notify_form": NotifyForm(people=people), **(extra_context or {})}
        return super().delete_view(request, object_id, context)

    def delete_model(self, request: HttpRequest, obj: Event) -> None:
        delete_event(obj, notify="notify" in request.POST)

    @admin.display(ordering="start_time")
    def starts(self, event: Event) -> str:
        return f"{local(event.start_time, event).replace('T', ' ')} {event.timezone}"

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
        """Instead of Django's own action of that name, which would delete rows."""
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
        done: str,
        *,
        question: str,
        consequence: str,
    ) -> HttpResponse | None:
        """Ask, with the number of people to notify, then call `service` on each event."""
        people = events.people_to_notify()
        form = NotifyForm(confirmed_answers(request), people=people)
        page = self.ask_first(
            request, events, question=question, consequence=consequence, form=form
        )
        if page is None:
            answers = form.cleaned_data
            self.act_on(request, events, lambda event: service(event, **answers), done)
        return page


class CategoryForm(ServiceForm):
    class Meta:
        model = Category
        fields = ("name", "slug")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "name" in self.fields:  # A page that staff may only read has no such field.
            self.fields["name"].validators.append(validate_visible)

    def rehearse(self) -> None:
        save_category(Category(pk=self.instance.pk), **self.cleaned_data)


@admin.register(Category)
class CategoryAdmin(AuditedAdmin):
    form = CategoryForm
    list_display = ("name", "slug")
    search_fields = ("name__contains_folded", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("changes",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("name", "slug", "changes") if obj else ("name", "slug")

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        delete_category(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Category]) -> None:
        for category in queryset:
            delete_category(category)

    def save_model(self, request: HttpRequest, obj: Category, form: Any, change: bool) -> None:
        save_category(obj, **form.cleaned_data)
