"""Accounts in the admin, with their events and registrations, and their erasure."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin import AccountAdmin, staff_of
from accounts.models import User
from config.api.staff_rights import has_staff_right

from ..services import close_account
from .registrations import registrations_link

admin.site.unregister(User)


@admin.register(User)
class AttendingAccountAdmin(AccountAdmin):
    """The admin of accounts, with links to what they organize and attend."""

    actions = [*AccountAdmin.actions, "erase_accounts"]
    readonly_fields = [*AccountAdmin.readonly_fields, "organizes", "attends"]
    fieldsets = [*AccountAdmin.fieldsets, ("Events", {"fields": ("organizes", "attends")})]

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return has_staff_right(staff_of(request), "accounts.delete_user")

    @admin.display
    def organizes(self, user: User) -> str:
        url = reverse("admin:events_event_changelist")
        return format_html('<a href="{}?organizer__id__exact={}">Show events</a>', url, user.pk)

    @admin.display
    def attends(self, user: User) -> str:
        return registrations_link("user", user.pk)

    @admin.action(description="Erase the selected accounts…", permissions=["erase"])
    def erase_accounts(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        users = self.changeable(request, queryset.exclude(pk=staff_of(request).pk))
        page = self.ask_first(
            request,
            users,
            question="Erase these accounts?",
            consequence="Upcoming registrations are cancelled and drafts deleted; names, addresses "
            "and passwords are erased. What they attended stays counted. This is final.",
        )
        if page is None:
            self.act_on(request, users, close_account, "Erased")
        return page
