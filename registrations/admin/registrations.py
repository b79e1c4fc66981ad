"""Registrations in the admin: staff create, rename and cancel them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts.admin import (
    MAX_HISTORY_ENTRIES,
    AuditedAdmin,
    HistoryEntry,
    named_actor,
    staff_of,
)
from accounts.models import User
from config.api.admin import IsSetFilter, NotifyForm, ServiceForm, confirmed_answers
from config.api.text.email_addresses import mailbox_of
from events.models import Event

from ..forms.answers import Strictness
from ..models import LedgerEntry, Registration, Scan
from ..serializers import RegistrationEditIn
from ..services import cancel_registration, edit_registration, register
from .answers import answers_of, guests_of


class RegistrationForm(ServiceForm):
    """Creates a registration, or changes its name."""

    staff: User  # set by the admin

    class Meta:
        model = Registration
        fields = ("event", "user", "name", "email", "party_size")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            self.fields["name"].required = self.fields["email"].required = False
            self.fields["party_size"].required = False
            self.fields["user"].help_text = "The account that is registered. Empty: a guest."
            self.fields["name"].help_text = "May stay empty for an account."
            self.fields["email"].help_text = "Stays empty for an account, which has its own."

    def clean(self) -> dict[str, Any]:
        if self.instance._state.adding and not self.errors:
            self._complete_from_account()
        return super().clean()

    def rehearse(self) -> None:
        serializer = RegistrationEditIn(data={"name": self.cleaned_data["name"]})
        serializer.is_valid(raise_exception=True)
        self.cleaned_data |= serializer.validated_data
        if self.instance._state.adding:
            self.register()

    def register(self) -> Registration:
        data = self.cleaned_data
        return register(
            data["event"].pk,
            name=data["name"],
            email=data["email"],
            user=data["user"],
            registered_by=self.staff,
            party_size=data["party_size"] or 1,
            strictness=Strictness.GIVEN,  # the admin shows answers and takes none
            skips_mode=True,
        )

    def _complete_from_account(self) -> None:
        data, user = self.cleaned_data, self.cleaned_data["user"]
        if user is None:
            for name in ("name", "email"):
                if not data[name]:
                    self.add_error(name, "Needed for a guest.")
        elif user.needs_address:
            self.add_error("user", "The account has to give another e-mail address first.")
        elif data["email"] and data["email"] != user.email:
            self.add_error("email", f"The account's address is {user.email}; leave this empty.")
        else:
            data["email"] = user.email
            data["name"] = data["name"] or user.username


class LedgerInline(admin.TabularInline):
    """The ledger entries of the registration, which are read-only."""

    model = LedgerEntry
    verbose_name_plural = "history"
    fields = readonly_fields = ("at", "kind", "people", "reason", "actor")
    ordering = ("id",)
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        return super().get_queryset(request).select_related("actor")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # the permission for the registration is enough

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ScanInline(admin.TabularInline):
    """The scans of the ticket, which are read-only."""

    model = Scan
    verbose_name_plural = "scans at the door"
    fields = readonly_fields = ("at", "kind", "refusal", "received_at", "by", "door_link")
    ordering = ("at", "id")
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Scan]:
        return super().get_queryset(request).select_related("by", "door_link")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # the permission for the registration is enough

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Registration)
class RegistrationAdmin(AuditedAdmin):
    """Registrations are cancelled, never deleted. Only services take and free seats."""

    form = RegistrationForm
    gone = "Its event is deleted."
    inlines = (LedgerInline, ScanInline)
    list_display = (
        "name",
        "email",
        "event_link",
        "status",
        "party_size",
        "registered_at",
        "checked_in_at",
    )
    list_filter = (
        "status",
        IsSetFilter.of("checked_in_at", "checked in"),
        IsSetFilter.of("user", "account", yes="Of an account", no="Guest"),
    )
    date_hierarchy = "registered_at"
    ordering = ("-event_id", "-registered_at", "-id")  # an index has this order
    search_fields = ("name__contains_folded", "email__istartswith", "ticket_code__exact")
    search_help_text = "Part of the name, the beginning of the e-mail address, or a ticket code."
    autocomplete_fields = ("event", "user")
    fieldsets = (
        (None, {"fields": ("event", "user", "name", "email")}),
        (
            "Place",
            {
                "fields": (
                    "status",
                    "queue_number",
                    ("party_size", "absent_count"),
                    "named_guests",
                    "form_answers",
                    "ticket_code",
                    "registered_by",
                    "registered_at",
                    "source",
                    "confirmed_at",
                    "cancelled_at",
                    ("checked_in_at", "checked_in_by"),
                )
            },
        ),
        ("Changes", {"fields": ("changes",)}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": ("event", "user", "name", "email", "party_size"),
                "description": "They get a seat, or a place in the queue, as if they had "
                "registered themselves.",
            },
        ),
    )
    actions = ("cancel_registrations",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Registration]:
        large = ("event__description", "event__search_vector")
        people = ("user", "registered_by", "checked_in_by")
        rows = super().get_queryset(request)
        return rows.select_related("event", *people).defer(*large)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        term = mailbox_of(search_term) if "@" in search_term else search_term
        return super().get_search_results(request, queryset, term)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, *args, **kwargs)  # a new class for each request
        form.staff = staff_of(request)
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else self.add_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All fields but the name, which people misspell."""
        if obj is None:
            return ()
        names = (field.name for field in Registration._meta.fields)
        shown = [name for name in names if name not in {"id", "name", "answers", "guests"}]
        return [*shown, "named_guests", "form_answers", "changes"]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        staff = staff_of(request)
        if db_field.name == "event":
            kwargs["queryset"] = Event.objects.visible_to(staff)
        elif db_field.name == "user":
            kwargs["queryset"] = User.objects.visible_to(staff).filter(is_active=True)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_gone = obj and obj.event.deleted_at
        return not is_gone and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Registration, form: Any, change: bool) -> None:
        if change:
            edit_registration(obj, name=form.cleaned_data["name"])
            return
        obj.pk = form.register().pk
        obj.refresh_from_db()
        self.message_user(request, f"The registration is {obj.get_status_display().lower()}.")

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if registration := kwargs.get("obj"):
            context["subtitle"] = self.named(registration)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="guests")
    def named_guests(self, registration: Registration) -> str:
        return guests_of(registration)

    @admin.display(description="answers")
    def form_answers(self, registration: Registration) -> str:
        return answers_of(registration)

    def named(self, row: Any) -> str:
        return f"{row.name} at {row.event}"

    def history_of(self, row: Any) -> list[HistoryEntry]:
        """The audit entries together with the ledger entries of the registration."""
        ledger = LedgerEntry.objects.filter(registration=row).order_by("-id")
        entries = [
            HistoryEntry(entry.at, named_actor(entry), entry.kind, entry.get_reason_display())
            for entry in ledger.select_related("actor", "key")[:MAX_HISTORY_ENTRIES]
        ]
        return sorted([*entries, *super().history_of(row)], key=lambda item: item.at, reverse=True)

    @admin.display(description="event", ordering="event__name")
    def event_link(self, registration: Registration) -> str:
        url = reverse("admin:events_event_change", args=(registration.event_id,))
        return format_html('<a href="{}">{}</a>', url, registration.event)

    @admin.action(description="Cancel the selected registrations…", permissions=["change"])
    def cancel_registrations(
        self, request: HttpRequest, queryset: QuerySet[Registration]
    ) -> HttpResponse | None:
        # Ordered by event, so that two concurrent actions lock the events in the same order.
        registrations = queryset.exclude(status=Registration.Status.CANCELLED).order_by("event_id")
        upcoming = {"event__start_time__gt": timezone.now(), "event__deleted_at": None}
        people = registrations.filter(**upcoming).count()
        form = NotifyForm(confirmed_answers(request), people=people)
        page = self.ask_first(
            request,
            registrations,
            question="Cancel these registrations?",
            consequence="Their seats go to the waitlist in its order, and whoever is promoted is "
            "notified. This is final: to come back, a person registers again.",
            form=form,
        )
        if page is None:
            staff, answers = staff_of(request), form.cleaned_data
            self.act_on(
                request,
                registrations,
                lambda registration: cancel_registration(registration, by=staff, **answers),
                "Cancelled",
            )
        return page


def registrations_link(field: str, pk: int) -> str:
    """A link to the list of registrations whose `field` refers to the row `pk`."""
    url = reverse("admin:registrations_registration_changelist")
    return format_html('<a href="{}?{}__id__exact={}">Show registrations</a>', url, field, pk)
