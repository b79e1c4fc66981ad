"""Registrations, and events and accounts with theirs."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts.admin import HISTORY_SHOWN, AccountAdmin, AuditedAdmin, HistoryEntry, staff_of
from accounts.models import User
from config.api.admin import IsSetFilter, NotifyForm, ServiceForm, confirmed_answers
from config.api.staff_rights import has_staff_right
from config.api.text.email_addresses import mailbox_of
from events.admin import EventAdmin
from events.models import Event

from ..exports.attendees import EXPORTS, Options
from ..models import LedgerEntry, Registration
from ..serializers import RegistrationEditIn
from ..services import cancel_registration, close_account, edit_registration, register


class RegistrationForm(ServiceForm):
    """A new registration, or another name for one."""

    staff: User  # set by the admin

    class Meta:
        model = Registration
        fields = ("event", "user", "name", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            self.fields["name"].required = self.fields["email"].required = False
            self.fields["user"].help_text = "The account whose place it is. Empty: a guest."
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
        given = self.cleaned_data
        return register(
            given["event"].pk,
            name=given["name"],
            email=given["email"],
            user=given["user"],
            registered_by=self.staff,
        )

    def _complete_from_account(self) -> None:
        given, user = self.cleaned_data, self.cleaned_data["user"]
        if user is None:
            for name in ("name", "email"):
                if not given[name]:
                    self.add_error(name, "Needed for a guest.")
        elif user.needs_address:
            self.add_error("user", "The account has to give another e-mail address first.")
        elif given["email"] and given["email"] != user.email:
            self.add_error("email", f"The account's address is {user.email}; leave this empty.")
        else:
            given["email"] = user.email
            given["name"] = given["name"] or user.username


class LedgerInline(admin.TabularInline):
    """What has happened to the registration."""

    model = LedgerEntry
    verbose_name_plural = "history"
    fields = readonly_fields = ("at", "kind", "reason", "actor")
    ordering = ("id",)
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        return super().get_queryset(request).select_related("actor")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # for whoever may see the registration

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Registration)
class RegistrationAdmin(AuditedAdmin):
    """They are cancelled, never deleted; a seat comes and goes through the services alone."""

    form = RegistrationForm
    gone = "Its event is deleted."
    inlines = (LedgerInline,)
    list_display = (
        "name",
        "email",
        "event_link",
        "status",
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
                    "ticket_code",
                    "registered_by",
                    "registered_at",
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
                "fields": ("event", "user", "name", "email"),
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
        """All but the name, which people misspell."""
        if obj is None:
            return ()
        names = (field.name for field in Registration._meta.fields)
        return [*(name for name in names if name not in {"id", "name"}), "changes"]

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

    def named(self, row: Any) -> str:
        return f"{row.name} at {row.event}"

    def history_of(self, row: Any) -> list[HistoryEntry]:
        """With the ledger, which has every seat that was taken and given back."""
        seats = LedgerEntry.objects.filter(registration=row).select_related("actor").order_by("-id")
        entries = [
            HistoryEntry(entry.at, entry.actor, entry.kind, entry.get_reason_display())
            for entry in seats[:HISTORY_SHOWN]
        ]
        return sorted([*entries, *super().history_of(row)], key=lambda each: each.at, reverse=True)

    @admin.display(description="event", ordering="event__name")
    def event_link(self, registration: Registration) -> str:
        url = reverse("admin:events_event_change", args=(registration.event_id,))
        return format_html('<a href="{}">{}</a>', url, registration.event)

    @admin.action(description="Cancel the selected registrations…", permissions=["change"])
    def cancel_registrations(
        self, request: HttpRequest, queryset: QuerySet[Registration]
    ) -> HttpResponse | None:
        # In the order of events, so that two members of staff at once lock them alike.
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


admin.site.unregister([Event, User])


@admin.register(Event)
class AttendedEventAdmin(EventAdmin):
    """Events with their attendees."""

    actions = [*EventAdmin.actions, "export_attendees"]
    readonly_fields = [*EventAdmin.readonly_fields, "attendees"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = super().get_fieldsets(request, obj)
        people = ("People", {"fields": ("attendees",)})
        return [*shown[:-1], people, shown[-1]] if obj else shown

    def has_view_attendees_permission(self, request: HttpRequest) -> bool:
        return has_staff_right(staff_of(request), "registrations.view_registration")

    @admin.display
    def attendees(self, event: Event) -> str:
        return _link_to_registrations("event", event.pk)

    @admin.action(
        description="Export the attendees of the selected events (CSV)",
        permissions=["view_attendees"],
    )
    def export_attendees(self, request: HttpRequest, queryset: QuerySet[Event]) -> HttpResponseBase:
        """Confirmed and waitlisted, event after event, below one header."""
        export = EXPORTS["csv"]
        events = list(queryset)
        name = f"event-{events[0].pk}-attendees.csv" if len(events) == 1 else "attendees.csv"
        pieces = _attendees_of(events)
        first = next(pieces)  # what can go wrong does so here, while it can still be told
        return StreamingHttpResponse(
            chain([first], pieces),
            content_type=export.media_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


@admin.register(User)
class AttendingAccountAdmin(AccountAdmin):
    """Accounts with what they organize and attend, and their end."""

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
        return _link_to_registrations("user", user.pk)

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


def _link_to_registrations(field: str, pk: int) -> str:
    url = reverse("admin:registrations_registration_changelist")
    return format_html('<a href="{}?{}__id__exact={}">Show registrations</a>', url, field, pk)


def _attendees_of(events: list[Event]) -> Iterator[bytes]:
    """One file of several: the header is that of the first."""
    zone = timezone.get_current_timezone()
    for number, event in enumerate(events):
        rows = Registration.objects.filter(event=event).live()
        pieces = EXPORTS["csv"].pieces(event, rows, zone, Options())
        first = next(pieces)
        yield first if number == 0 else first.partition(b"\r\n")[2]
        yield from pieces
