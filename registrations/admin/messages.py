"""Messages of organizers to attendees in the admin, read-only."""

from django.contrib import admin

from config.api.admin import ReadOnlyAdmin

from ..models import Message


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ("subject", "event", "author", "status", "recipient_count", "created_at")
    list_select_related = ("event", "author")
    list_filter = ("status",)
    ordering = ("-id",)
    search_fields = (
        "subject__contains_folded",
        "event__name__contains_folded",
        "author__username__istartswith",
    )
    search_help_text = "Part of the subject or the event's name, or how the author's name begins."
    fields = ("event", "author", "subject", "body", "status", "recipient_count", "created_at")
