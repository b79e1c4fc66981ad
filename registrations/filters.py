"""The filters of attendee lists and of own registrations."""

from typing import Any

from config.api.filters import ChoicesFilter, StrictFilterSet, TextFilter, TrueOrFalseFilter
from events.models import Event
from events.search.filters import OwnEventFilter

from .attendee_search import attendees_with
from .models import Registration, RegistrationQuerySet

_STATUS_CHOICES = Registration.Status.choices


class AttendeeFilter(StrictFilterSet):
    status = ChoicesFilter(
        choices=_STATUS_CHOICES, help_text="Default: confirmed and waitlisted. May be repeated."
    )
    search = TextFilter(
        method="by_text",
        help_text=(
            "Words of the name or address, or parts of them, in any order. Accents, case and"
            " punctuation do not matter."
        ),
    )
    checked_in = TrueOrFalseFilter(
        field_name="checked_in_at",
        lookup_expr="isnull",
        exclude=True,
        help_text="Was scanned at the door, or was not.",
    )

    class Meta:
        model = Registration
        fields: list[str] = []

    def filter_queryset(self, queryset: Any) -> Any:
        queryset = super().filter_queryset(queryset)
        return queryset if self.form.cleaned_data["status"] else queryset.live()

    def by_text(self, rows: RegistrationQuerySet, name: str, text: str) -> RegistrationQuerySet:
        return rows.filter(attendees_with(text))


class DoorFilter(AttendeeFilter):
    """The filters for those who check people in and do not see addresses."""

    def by_text(self, rows: RegistrationQuerySet, name: str, text: str) -> RegistrationQuerySet:
        return rows.filter(attendees_with(text, in_addresses=False))


class OwnRegistrationFilter(OwnEventFilter):
    """The filters of events, applied to the events of the user's registrations."""

    role = None  # of events that one organizes

    status = ChoicesFilter(
        choices=_STATUS_CHOICES,
        method="accept",
        help_text="Of the registration. Default: all but pending and rejected. May be repeated.",
    )

    class Meta:
        model = Registration
        fields: list[str] = []

    def accept(self, events: Any, name: str, status: list[str]) -> Any:
        """Applies nothing: `filter_queryset` filters the registrations by status."""
        return events

    def filter_queryset(self, queryset: Any) -> Any:
        events = super().filter_queryset(Event.objects.existing())
        queryset = queryset.filter(event__in=events.values("pk"))
        status = self.form.cleaned_data["status"]
        if status:
            return queryset.filter(status__in=status)
        hidden = (Registration.Status.PENDING, Registration.Status.REJECTED)
        return queryset.exclude(status__in=hidden)
