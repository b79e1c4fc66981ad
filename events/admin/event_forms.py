"""The forms of events. The API's serializer checks them, and services write."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget, AdminURLFieldWidget
from django.contrib.postgres.forms import SimpleArrayField
from django.http import HttpRequest

from accounts.admin import ZoneChoiceField
from config.api.admin import NotifyForm, ServiceForm

from ..models import AttendanceMode, Category, Event
from ..models.base import default_reminder_hours
from ..serializers.event_input import EventCreateIn, EventIn
from ..services import create_event, edit_event
from ..services.planned_times import TIMES

COORDINATES = ("latitude", "longitude")
TEXTS = (
    *("name", "description", "location", *COORDINATES),
    *("category", "meeting_url", "attendance_mode", "visibility", "attendee_list"),
)
SEATS = (
    "max_capacity",
    "waitlist_enabled",
    "max_party_size",
    "waitlist_policy",
    "registration_mode",
    "registration_opens_at",
    "registration_closes_at",
    "cancellation_closes_at",
)
_SERIALIZED = {*TEXTS, *SEATS, *TIMES, "timezone", "reminder_hours", "status"}


def local_text(moment: datetime | None, event: Event) -> str:
    """Wall-clock time in the event's zone, as `<input type="datetime-local">` writes it."""
    if moment is None:
        return ""
    precision = "seconds" if moment.second else "minutes"
    return moment.astimezone(event.zone).replace(tzinfo=None).isoformat(timespec=precision)


class WallClockField(forms.CharField):
    """A wall-clock time. The serializer converts it, by the zone of the event."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"type": "datetime-local"})
        super().__init__(widget=widget, empty_value=None, **kwargs)


class EventForm(ServiceForm):
    """The fields of an event in the API, checked by the same serializer and services."""

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
        fields = (*TEXTS, *TIMES, "timezone", "max_capacity", "waitlist_enabled", "max_party_size")
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
                self.initial[name] = local_text(getattr(self.instance, name), self.instance)

    def rehearse(self) -> None:
        self.values = self._values()
        self.write()

    def write(self) -> Event:
        """Create or edit the event. Raises `DomainError`."""
        if self.instance.pk is None:
            return create_event(self.cleaned_data["organizer"], **self.values)
        version = self.cleaned_data["seen_version"]
        return edit_event(
            self.instance,
            dict(self.values),
            keep_local_time=True,
            expected_versions=None if version is None else {f"{self.instance.pk}.{version}"},
        )

    def _values(self) -> dict[str, Any]:
        """The arguments of the service: all fields of a new event, else the changed ones."""
        is_new = self.instance.pk is None
        changed = set(self.changed_data)
        if not changed.isdisjoint(COORDINATES):
            changed |= set(COORDINATES)  # the serializer requires both
        data = {
            name: value.slug if isinstance(value, Category) else value
            for name, value in self.cleaned_data.items()
            if name in _SERIALIZED and (is_new or name in changed)
        }
        ends_by_default = data.get("end_time", ...) is None
        if ends_by_default:
            del data["end_time"]
        serializer = (EventCreateIn if is_new else EventIn)(
            data=data,
            context={"request": self.request, "event": None if is_new else self.instance},
            partial=not is_new,
        )
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data) | ({"end_time": None} if ends_by_default else {})


class CancellationForm(NotifyForm):
    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Shown with the event.",
    )
    field_order = ("reason", "notify")
