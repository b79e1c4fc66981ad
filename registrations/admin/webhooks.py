"""Webhooks and their deliveries in the admin. Secrets are never shown."""

from django.contrib import admin
from django.contrib.admin.utils import flatten
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join

from accounts.admin.audit import AuditedAdmin
from config.api.admin import IsSetFilter, ReadOnlyAdmin
from config.api.staff_rights import has_staff_right

from ..models import Webhook, WebhookDelivery
from ..webhooks.queueing import redeliver
from ..webhooks.subscriptions import disable_webhook


@admin.register(Webhook)
class WebhookAdmin(AuditedAdmin):
    """Where changes are sent. Staff can disable a webhook."""

    list_display = ("url", "user", "enabled", "disabled_reason", "last_success_at", "failing_since")
    list_select_related = ("user",)
    list_filter = (
        "enabled",
        "disabled_reason",
        IsSetFilter.of("failing_since", "failing"),
        IsSetFilter.of("deleted_at", "deleted"),
    )
    ordering = ("-id",)
    search_fields = ("user__email__istartswith", "user__username__istartswith", "url__istartswith")
    search_help_text = "The beginning of the owner's e-mail address or name, or of the URL."
    fields = (
        ("user", "key"),
        "url",
        "types",
        "events",
        "description",
        ("enabled", "disabled_reason"),
        ("last_success_at", "failing_since", "failures"),
        "previous_until",
        ("created_at", "updated_at", "deleted_at"),
        "changes",
    )
    readonly_fields = tuple(flatten(fields))
    actions = ("disable_webhooks",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Webhook | None = None) -> bool:
        return False

    @admin.action(description="Disable the selected webhooks…", permissions=["change"])
    def disable_webhooks(
        self, request: HttpRequest, queryset: QuerySet[Webhook]
    ) -> HttpResponse | None:
        webhooks = queryset.filter(enabled=True)
        page = self.ask_first(
            request,
            webhooks,
            question="Disable these webhooks?",
            consequence="Nothing more is sent to them. Their owners can enable them again.",
        )
        if page is None:
            self.act_on(request, webhooks, disable_webhook, "Disabled")
        return page


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """What was sent to receivers, with every attempt."""

    list_display = ("id", "webhook", "type", "change", "state", "tries", "created_at")
    list_select_related = ("webhook",)
    list_filter = ("state",)
    ordering = ("-id",)
    search_fields = ("webhook__url__istartswith", "type__exact")
    search_help_text = "The beginning of the URL of a webhook, or a whole type."
    fields = (
        "webhook",
        ("type", "change"),
        ("state", "tries", "next_attempt_at"),
        "created_at",
        "attempts",
    )
    readonly_fields = tuple(flatten(fields))
    actions = ("send_selected_again",)

    def has_send_permission(self, request: HttpRequest) -> bool:
        return has_staff_right(request.user, "registrations.change_webhookdelivery")

    @admin.display(description="attempts")
    def attempts(self, delivery: WebhookDelivery) -> str:
        lines = (
            (f"{each.at:%Y-%m-%d %H:%M:%S}", each.status or each.error, each.ms, each.excerpt)
            for each in delivery.attempts.order_by("pk")
        )
        return format_html_join("", "<p>{}: {} after {} ms<br>{}</p>", lines) or "None."

    @admin.action(description="Send the selected again that have ended", permissions=["send"])
    def send_selected_again(
        self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]
    ) -> None:
        ended = queryset.exclude(state=WebhookDelivery.State.PENDING)
        self.act_on(request, ended, redeliver, "Will send again")
