"""Notifications in the admin: delivered, pending and parked ones."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from config.api.admin import IsSetFilter, ReadOnlyAdmin
from config.api.staff_rights import has_staff_right

from ..models import Notification
from ..notifications import kinds
from ..notifications.outbox import send_again


class KindFilter(admin.SimpleListFilter):
    """A filter by registered kinds. Django's own filter reads the whole table for its choices."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted((kind.name, kind.name) for kind in kinds())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Notification]
    ) -> QuerySet[Notification]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """All notifications. Parked ones have a reason, and can be sent again."""

    list_display = ("kind", "email", "state", "due_at", "attempts", "sent_at", "error")
    list_filter = ("state", KindFilter, IsSetFilter.of("user", "has an account"))
    ordering = ("-id",)
    search_fields = ("email__exact", "key__exact", "message_id__exact")
    search_help_text = "A whole e-mail address, key or Message-ID."
    fields = (
        ("kind", "key"),
        ("email", "user"),
        ("event_id", "registration_id"),
        "facts",
        ("created_at", "due_at"),
        ("state", "attempts", "attempt_at"),
        "error",
        ("sent_at", "message_id"),
        ("subject", "read_at"),
        "body",
    )
    actions = ["send_selected_again"]

    def has_send_permission(self, request: HttpRequest) -> bool:
        return has_staff_right(request.user, "accounts.change_notification")

    @admin.action(description="Send the selected again that were given up", permissions=["send"])
    def send_selected_again(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        parked = queryset.filter(state=Notification.State.PARKED)
        self.act_on(request, parked, send_again, "Will send again")
