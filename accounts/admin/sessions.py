"""Sessions of the API in the admin."""

from django.contrib import admin
from django.utils import timezone

from config.api.admin import IsSetFilter, ReadOnlyAdmin

from ..models import Session


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Sign-ins of the API, without their tokens."""

    list_display = ("user", "user_agent", "address", "created_at", "last_used_at", "is_live")
    list_select_related = ("user",)
    list_filter = (IsSetFilter.of("ended_at", "signed out"),)
    ordering = ("-expires_at",)
    search_fields = ("user__email__istartswith", "user__username__istartswith")
    search_help_text = "The beginning of the user's e-mail address or name."
    fields = (
        "user",
        "user_agent",
        "address",
        "created_at",
        "last_used_at",
        "expires_at",
        "ended_at",
        "is_live",
    )

    @admin.display(description="live", boolean=True)
    def is_live(self, session: Session) -> bool:
        return (
            session.ended_at is None
            and session.user.is_active
            and session.token_generation == session.user.token_generation
            and session.expires_at > timezone.now()
        )
