"""Events in the admin, with their attendees and the export of them."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.admin import staff_of
from config.api.staff_rights import has_staff_right
from events.admin import EventAdmin
from events.models import Event

from ..exports.formats import EXPORTS
from ..exports.statement import Options
from ..models import DoorLink, Registration
from .door_links import DoorLinkAdmin, door_links_table, new_door_link
from .event_panels import latest_ledger_of, statistics_of
from .registrations import registrations_link

admin.site.unregister(Event)


@admin.register(Event)
class AttendedEventAdmin(EventAdmin):
    """The admin of events, with their attendees."""

    actions = [*EventAdmin.actions, "export_attendees"]
    readonly_fields = [
        *EventAdmin.readonly_fields,
        "attendees",
        "door_links",
        "new_door_link",
        "statistics",
        "ledger",
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        fields = ["attendees"]
        if DoorLinkAdmin(DoorLink, self.admin_site).has_view_permission(request):
            fields.append("door_links")
        if obj and not obj.deleted_at and self.may_make_door_links(request):
            fields.append("new_door_link")
        if self.has_view_attendees_permission(request):
            fields += ["statistics", "ledger"]
        people = ("People", {"fields": fields})
        return [*fieldsets[:-1], people, fieldsets[-1]] if obj else fieldsets

    def has_view_attendees_permission(self, request: HttpRequest) -> bool:
        return has_staff_right(staff_of(request), "registrations.view_registration")

    @admin.display
    def attendees(self, event: Event) -> str:
        return registrations_link("event", event.pk)

    @admin.display
    def statistics(self, event: Event) -> str:
        return statistics_of(event)

    @admin.display(description="latest entries of the ledger")
    def ledger(self, event: Event) -> str:
        return latest_ledger_of(event)

    def may_make_door_links(self, request: HttpRequest) -> bool:
        return DoorLinkAdmin(DoorLink, self.admin_site).has_add_permission(request)

    @admin.display(description="door links")
    def door_links(self, event: Event) -> str:
        return door_links_table(event)

    @admin.display(description="volunteers")
    def new_door_link(self, event: Event) -> str:
        return new_door_link(event)

    @admin.action(
        description="Export the attendees of the selected events (CSV)",
        permissions=["view_attendees"],
    )
    def export_attendees(self, request: HttpRequest, queryset: QuerySet[Event]) -> HttpResponseBase:
        """One CSV file with the confirmed and waitlisted attendees, event by event."""
        export = EXPORTS["csv"]
        events = list(queryset)
        name = f"event-{events[0].pk}-attendees.csv" if len(events) == 1 else "attendees.csv"
        pieces = _attendee_pieces(events)
        first = next(pieces)  # errors occur here, before the response begins
        return StreamingHttpResponse(
            chain([first], pieces),
            content_type=export.media_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


def _attendee_pieces(events: list[Event]) -> Iterator[bytes]:
    """Joins the files of the events; only the first one has a header.

    The file of one event has its answers too. Those of several have no columns in common.
    """
    zone, options = timezone.get_current_timezone(), Options(is_uniform=len(events) > 1)
    for number, event in enumerate(events):
        rows = Registration.objects.filter(event=event).live()
        pieces = EXPORTS["csv"].pieces(event, rows, zone, options)
        first = next(pieces)
        yield first if number == 0 else first.partition(b"\r\n")[2]
        yield from pieces
