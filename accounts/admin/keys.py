"""API keys in the admin."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from config.api.admin import IsSetFilter

from ..models import ApiKey
from ..services import revoke_key
from .audit import AuditedAdmin


@admin.register(ApiKey)
class ApiKeyAdmin(AuditedAdmin):
    """API keys, without their text, which is not stored. Staff can revoke them."""

    list_display = ("name", "hint", "user", "scopes", "created_at", "last_used_at", "is_live")
    list_select_related = ("user",)
    list_filter = (
        IsSetFilter.of("revoked_at", "revoked"),
        IsSetFilter.of("last_used_at", "used"),
    )
    ordering = ("-id",)
    search_fields = ("user__email__istartswith", "user__username__istartswith", "hint__exact")
    search_help_text = "The beginning of the owner's e-mail address or name, or that of the key."
    fields = readonly_fields = (
        "user",
        "name",
        "hint",
        "scopes",
        "events",
        "created_at",
        "expires_at",
        "last_used_at",
        "previous_until",
        "revoked_at",
        "changes",
    )
    actions = ("revoke_keys",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    @admin.display(description="live", boolean=True)
    def is_live(self, key: ApiKey) -> bool:
        return key.is_live and key.user.is_active

    @admin.action(description="Revoke the selected keys…", permissions=["change"])
    def revoke_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        keys = queryset.filter(revoked_at=None)
        page = self.ask_first(
            request,
            keys,
            question="Revoke these keys?",
            consequence="Programs that use them have no access any more. This cannot be undone.",
        )
        if page is None:
            self.act_on(request, keys, revoke_key, "Revoked")
        return page
