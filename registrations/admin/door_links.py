"""Door links in the admin: staff see who made them, and withdraw them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin import AuditedAdmin
from config.api.admin import IsSetFilter

from ..models import DoorLink
from ..services import withdraw_door_link


@admin.register(DoorLink)
class DoorLinkAdmin(AuditedAdmin):
    """Links are made by the API, whose response has the URL. Nobody can see it again."""

    list_display = ("name_or_number", "event", "created_by", "created_at", "last_used_at",
                    "expires_at", "withdrawn_at")  # fmt: skip
    list_display_links = ("name_or_number",)
    list_select_related = ("event", "created_by")
    list_filter = (IsSetFilter.of("withdrawn_at", "withdrawn"),)
    ordering = ("-id",)
    search_fields = ("name__istartswith", "created_by__username__istartswith")
    search_help_text = "The beginning of a name, or of the name of who made it."
    fields = readonly_fields = (
        "name",
        "event",
        "created_by",
        "created_at",
        "last_used_at",
        "expires_at",
        "withdrawn_at",
        "changes",
    )
    actions = ("withdraw_links",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DoorLink]:
        return super().get_queryset(request).select_related("event", "created_by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "event__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="name", ordering="name")
    def name_or_number(self, link: DoorLink) -> str:
        return str(link)

    @admin.action(description="Withdraw the selected links…", permissions=["change"])
    def withdraw_links(
        self, request: HttpRequest, queryset: QuerySet[DoorLink]
    ) -> HttpResponse | None:
        links = queryset.filter(withdrawn_at=None)
        page = self.ask_first(
            request,
            links,
            question="Withdraw these links?",
            consequence="Whoever has them can check nobody in any more. This is final.",
        )
        if page is None:
            self.act_on(request, links, withdraw_door_link, "Withdrew")
        return page


def door_links_link(event_id: int) -> str:
    """A link to the list of the door links of an event."""
    url = reverse("admin:registrations_doorlink_changelist")
    return format_html('<a href="{}?event__id__exact={}">Show door links</a>', url, event_id)
