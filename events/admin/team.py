"""Teams in the admin: the table on the page of an event or a series, and all members."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.timezone import localtime

from accounts.admin import staff_of
from config.api.admin import ServiceAdmin

from ..models import TeamMember
from ..services.team import remove_member

MAX_MEMBERS = 50


def team_table(row: Any) -> str:
    """The members of an event or series, and its transfer. Changes are in its audit.

    Without addresses, which need the permission to view members.
    """
    members = list(row.team.select_related("user").order_by("pk")[: MAX_MEMBERS + 1])
    if not members:
        return "None beside the owner."
    lines = (
        (
            member.user or "somebody invited",
            member.get_role_display(),
            member.get_state_display(),
            ""
            if member.expires_at is None
            else f"until {localtime(member.expires_at):%Y-%m-%d %H:%M}",
        )
        for member in members[:MAX_MEMBERS]
    )
    table = format_html(
        "<table><tr><th>Who</th><th>Role</th><th>State</th><th>Invitation</th></tr>{}</table>",
        format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", lines),
    )
    url = reverse("admin:events_teammember_changelist")
    name = row._meta.model_name
    return format_html('{}<a href="{}?{}__id__exact={}">Show all</a>', table, url, name, row.pk)


@admin.register(TeamMember)
class TeamMemberAdmin(ServiceAdmin):
    """Roles and invitations. They are changed by the API; staff can end them here."""

    list_display = ("email", "user", "role", "state", "event", "series", "invited_by", "expires_at")
    list_select_related = ("user", "event", "series", "invited_by")
    list_filter = ("role", "state")
    ordering = ("-id",)
    search_fields = ("email__istartswith", "user__username__istartswith")
    search_help_text = "The beginning of an e-mail address or of a user name."
    actions = ("remove_members",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        own = lookup in {"event__id__exact", "series__id__exact"}
        return own or super().lookup_allowed(lookup, value, request)

    @admin.action(description="Remove the selected members…", permissions=["change"])
    def remove_members(
        self, request: HttpRequest, queryset: QuerySet[TeamMember]
    ) -> HttpResponse | None:
        """Transfers are withdrawn by the API."""
        members = queryset.exclude(role="owner").filter(
            Q(event=None) | Q(event__deleted_at=None), Q(series=None) | Q(series__deleted_at=None)
        )
        page = self.ask_first(
            request,
            members,
            question="Remove these members?",
            consequence="Their roles end at once, and open invitations are withdrawn.",
        )
        if page is None:
            staff = staff_of(request)
            self.act_on(
                request,
                members.select_related("event", "series"),
                lambda member: remove_member(member.row, member.pk, by=staff),
                "Removed",
            )
        return page
