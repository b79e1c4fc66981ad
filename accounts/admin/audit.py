"""The audit in the admin: the list of all changes, and the changes of one row on its page."""

from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timezone import localtime

from config.api.admin import ReadOnlyAdmin, ServiceAdmin

from ..audit import changes_of
from ..models import AuditEntry

MAX_CHANGES = 20
MAX_HISTORY_ENTRIES = 200


class HistoryEntry(NamedTuple):
    """One line of a row's history. `actor` is "" for guests, commands and the system."""

    at: datetime
    actor: str
    action: str
    details: str


class AuditedAdmin(ServiceAdmin):
    """Shows the latest changes of a row on its page. Subclasses add `changes` to `fieldsets`."""

    @admin.display(description="latest changes")
    def changes(self, row: Any) -> str:
        entries = list(self.entries_of(row).select_related("actor", "key")[:MAX_CHANGES])
        if not entries:
            return "None."
        lines = (
            (
                f"{localtime(entry.at):%Y-%m-%d %H:%M}",
                named_actor(entry) or "the system",
                entry.action,
                format_changes(entry),
            )
            for entry in entries
        )
        table = format_html(
            "<table><tr><th>When</th><th>Who</th><th>What</th><th>Before and after</th></tr>{}"
            "</table>",
            format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", lines),
        )
        url = reverse("admin:accounts_auditentry_changelist")
        query = urlencode({"kind": entries[0].kind, "row_id": entries[0].row_id})
        return format_html('{}<a href="{}?{}">Show all</a>', table, url, query)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """The audit of the row. Django's own view shows only changes that the admin made."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": f"History: {self.named(row)}",
            "object": row,
            "opts": self.opts,
            "entries": self.history_of(row)[:MAX_HISTORY_ENTRIES],
            "limit": MAX_HISTORY_ENTRIES,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/audit_history.html", context)

    def entries_of(self, row: Any) -> Any:
        """A QuerySet of the audit's entries about the row, the latest first."""
        return changes_of(row)

    def history_of(self, row: Any) -> list[HistoryEntry]:
        """The latest `MAX_HISTORY_ENTRIES` entries, or more. The latest is first."""
        return [
            HistoryEntry(entry.at, named_actor(entry), entry.action, format_changes(entry))
            for entry in self.entries_of(row).select_related("actor", "key")[:MAX_HISTORY_ENTRIES]
        ]


@admin.register(AuditEntry)
class AuditAdmin(ReadOnlyAdmin):
    """All audited changes, the latest first."""

    list_display = ("at", "actor", "key", "action", "kind", "row", "what")
    list_select_related = ("actor", "key")
    list_filter = ("kind", "action")
    date_hierarchy = "at"
    ordering = ("-id",)
    search_fields = ("actor__email__istartswith", "row_id__exact", "request_id__exact")
    search_help_text = "The beginning of an actor's address, the id of a row, or of a request."
    fields = ("at", "actor", "key", "action", "kind", "row", "what", "request_id")
    readonly_fields = ("row", "what")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "row_id" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="row")
    def row(self, entry: AuditEntry) -> str:
        url = f"{reverse('admin:accounts_auditentry_changelist')}?"
        query = urlencode({"kind": entry.kind, "row_id": entry.row_id})
        return format_html('<a href="{}{}">{}</a>', url, query, entry.row_id)

    @admin.display(description="before and after")
    def what(self, entry: AuditEntry) -> str:
        return format_changes(entry)


def named_actor(entry: Any) -> str:
    """The account of an entry of the audit or the ledger, with its API key. "" without one."""
    if entry.actor is None:
        return ""
    return str(entry.actor) if entry.key is None else f"{entry.actor}, API key {entry.key}"


def format_changes(entry: AuditEntry) -> str:
    """HTML with one line for each column: its values before and after."""
    return format_html_join(
        SafeString("<br>"),
        "{}: {} → {}",
        (
            (name, _format_value(entry.before.get(name)), _format_value(entry.after.get(name)))
            for name in sorted(entry.before.keys() | entry.after.keys())
        ),
    )


def _format_value(value: Any) -> str:
    return "—" if value in (None, "") else Truncator(str(value)).chars(200)
