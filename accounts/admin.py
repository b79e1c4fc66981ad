from datetime import datetime
from typing import Any, NamedTuple, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, BaseUserCreationForm, UserChangeForm
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from config.api.admin import NAMES_SHOWN, IsSetFilter, ReadOnlyAdmin, ServiceAdmin, rehearsed_on
from config.api.http.timezones import zone_names
from config.api.staff_rights import has_every_right, outranked_accounts
from config.api.text.email_addresses import mailbox_of
from config.api.text.visible_characters import validate_visible

from . import group_admin  # noqa: F401  # registers its page
from .audit import changes_of, record
from .models import AuditEntry, Session, User
from .notifications import admin as notifications  # noqa: F401  # registers its page
from .services import (
    change_access,
    confirm_email,
    edit_profile,
    set_password,
    sign_out_everywhere,
    sign_up,
)

_PROFILE = ("email", "username", "role", "timezone")
_ACCESS = ("is_active", "is_staff", "is_superuser")
_FOR_SUPERUSERS = ("is_staff", "is_superuser", "groups", "user_permissions")


CHANGES_SHOWN = 20
HISTORY_SHOWN = 200


def staff_of(request: HttpRequest) -> User:
    """Who sent the request; the admin lets nobody in but staff."""
    return cast("User", request.user)


class AuditedAdmin(ServiceAdmin):
    """Shows, on a row's page, what was changed of it; `changes` goes into its fieldsets."""

    @admin.display(description="latest changes")
    def changes(self, row: Any) -> str:
        entries = list(changes_of(row).select_related("actor")[:CHANGES_SHOWN])
        if not entries:
            return "None."
        lines = (
            (
                f"{entry.at:%Y-%m-%d %H:%M}",
                entry.actor or "the system",
                entry.action,
                told_changes(entry),
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
        """What the audit has of the row, whoever changed it; not only what the admin site did."""
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
            "entries": self.history_of(row)[:HISTORY_SHOWN],
            "limit": HISTORY_SHOWN,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/audit_history.html", context)

    def history_of(self, row: Any) -> list["HistoryEntry"]:
        """At least the latest `HISTORY_SHOWN` entries, the latest first."""
        return [
            HistoryEntry(entry.at, entry.actor, entry.action, told_changes(entry))
            for entry in changes_of(row).select_related("actor")[:HISTORY_SHOWN]
        ]


class HistoryEntry(NamedTuple):
    """One line of an object's history; `actor` is None for guests, commands and the system."""

    at: datetime
    actor: User | None
    action: str
    details: str


def told_changes(entry: AuditEntry) -> str:
    """One line for each column: what it was, and what it became."""
    return format_html_join(
        SafeString("<br>"),
        "{}: {} → {}",
        (
            (name, _told(entry.before.get(name)), _told(entry.after.get(name)))
            for name in sorted(entry.before.keys() | entry.after.keys())
        ),
    )


def _told(value: Any) -> str:
    return "—" if value in (None, "") else Truncator(str(value)).chars(200)


class ZoneChoiceField(forms.ChoiceField):
    """A zone of the IANA database."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(name, name) for name in sorted(zone_names())], **kwargs)


class VisibleUsername(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "username" in self.fields:  # A page that staff may only read has no such field.
            self.fields["username"].validators.insert(0, validate_visible)


class NewUserForm(VisibleUsername, BaseUserCreationForm):
    timezone = ZoneChoiceField(initial="UTC")

    class Meta:
        model = User
        fields = _PROFILE
        help_texts = {"username": "Empty: made from the address."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].required = False

    def clean(self) -> dict[str, Any]:
        # Without super().clean(), which would ask the model what the service tells better.
        self.validate_passwords()  # type: ignore[attr-defined]  # the stubs lack it
        if not self.errors:
            with rehearsed_on(self, {"password": "password1"}):
                sign_up(**self.account)
        return self.cleaned_data

    def validate_password_for_user(self, user: Any, password_field_name: str = "") -> None:
        """The service has done it."""

    @property
    def account(self) -> dict[str, Any]:
        password = self.cleaned_data["password1"]
        return {name: self.cleaned_data[name] for name in _PROFILE} | {"password": password}

    def save(self, commit: bool = True) -> Any:
        return forms.ModelForm.save(self, commit=False)


class UserForm(VisibleUsername, UserChangeForm):
    timezone = ZoneChoiceField()

    class Meta:
        model = User
        fields = (*_PROFILE, *_ACCESS, "groups", "user_permissions")

    def clean(self) -> dict[str, Any]:
        # Without super().clean(), as above.
        if not self.errors:
            with rehearsed_on(self):
                edit_profile(self.instance, self.changes_of(_PROFILE), by_staff=True)
        return self.cleaned_data

    def changes_of(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.changed_data if name in names}


class PasswordForm(AdminPasswordChangeForm):
    def save(self, commit: bool = True) -> Any:
        usable = self.cleaned_data["set_usable_password"]
        self.user = set_password(self.user, self.cleaned_data["password1"] if usable else None)
        return self.user


class ShownAddressesForm(forms.Form):
    """The addresses that a page asked about, by the user's id."""

    addresses = forms.JSONField(widget=forms.HiddenInput, label="")

    def __init__(self, data: Any, shown: dict[str, str]) -> None:
        super().__init__(data, initial={"addresses": shown})

    def clean_addresses(self) -> dict[str, str]:
        addresses = self.cleaned_data["addresses"]
        if not isinstance(addresses, dict) or not all(key.isdigit() for key in addresses):
            raise forms.ValidationError("Open the page again.")
        return {key: str(address) for key, address in addresses.items()}


@admin.register(User)
class AccountAdmin(AuditedAdmin, UserAdmin):
    """Accounts. They are never deleted: others' rows refer to them."""

    form = UserForm
    add_form = NewUserForm
    change_password_form = PasswordForm
    list_display = (
        "email",
        "username",
        "role",
        "email_is_verified",
        "is_active",
        "is_staff",
        "date_joined",
    )
    list_filter = (
        "role",
        "is_active",
        "is_staff",
        "is_superuser",
        IsSetFilter.of("email_verified_at", "e-mail verified"),
        IsSetFilter.of("erased_at", "erased"),
    )
    date_hierarchy = "date_joined"
    ordering = ("-id",)
    search_fields = ("email__istartswith", "username__istartswith")
    search_help_text = "The beginning of an e-mail address or of a user name."
    readonly_fields = ["email_is_verified", "pending_email", "last_login", "date_joined"]
    readonly_fields += ["erased_at", "signed_in", "changes"]
    fieldsets = [
        (None, {"fields": ("email", "email_is_verified", "pending_email", "username", "password")}),
        ("Profile", {"fields": ("role", "timezone")}),
        ("Access", {"fields": (*_ACCESS, "groups", "user_permissions")}),
        ("History", {"fields": ("signed_in", "last_login", "date_joined", "erased_at")}),
        ("Changes", {"fields": ("changes",)}),
    ]
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": (*_PROFILE, "password1", "password2")}),
    )
    actions = ["confirm_addresses", "deactivate_users", "reactivate_users", "end_sessions"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        if has_every_right(staff_of(request)):
            return readonly
        return (*readonly, *_FOR_SUPERUSERS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_change_permission(request, obj)
        if obj is None or not may:
            return may
        return bool(obj.may_be_changed_by(request.user, "accounts.change_user"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        if request.path.endswith("/autocomplete/"):
            queryset = queryset.filter(is_active=True)
        term = mailbox_of(search_term) if "@" in search_term else search_term
        return super().get_search_results(request, queryset, term)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change:
            with transaction.atomic():
                edit_profile(obj, form.changes_of(_PROFILE), by_staff=True)
                change_access(obj, **form.changes_of(_ACCESS))
            if "email" in form.changed_data:
                self.message_user(request, "The new address is used once its owner confirms it.")
        else:
            obj.pk = sign_up(**form.account).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        with transaction.atomic():
            before = _rights_of(form.instance)
            super().save_related(request, form, formsets, change)
            after = _rights_of(form.instance)
            if before != after:
                record(form.instance, "rights changed", before=before, after=after)

    @admin.display(description="e-mail verified", boolean=True, ordering="email_verified_at")
    def email_is_verified(self, user: User) -> bool:
        return user.email_verified

    @admin.display(description="sign-ins")
    def signed_in(self, user: User) -> str:
        url = reverse("admin:accounts_session_changelist")
        return format_html('<a href="{}?user__id__exact={}">Show where and when</a>', url, user.pk)

    @admin.action(
        description="Confirm the addresses of the selected users…", permissions=["change"]
    )
    def confirm_addresses(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> HttpResponse | None:
        """For people whose identity was checked another way; their guest places join them.

        What is confirmed is the address that the page showed, whatever it is by now; of many
        selected, those that it had room for.
        """
        users = self.changeable(
            request, queryset.filter(email_verified_at=None, withdrawn_email="")
        )
        shown = {str(user.pk): user.email for user in users[:NAMES_SHOWN]}
        form = ShownAddressesForm(request.POST if "confirmed" in request.POST else None, shown)
        page = self.ask_first(
            request,
            users,
            question="Confirm these addresses?",
            consequence="Confirm an address only if you know that it belongs to that person. Guest "
            "registrations with the address become part of the account. All API sessions of the "
            "account end.",
            form=form,
            name=lambda user: f"{user}: {user.email}",
        )
        if page is None:
            addresses = form.cleaned_data["addresses"]
            self.act_on(
                request,
                users.filter(pk__in=addresses),
                lambda user: confirm_email(user, address=addresses[str(user.pk)]),
                "Confirmed the address of",
            )
        return page

    @admin.action(description="Deactivate the selected users", permissions=["change"])
    def deactivate_users(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> HttpResponse | None:
        users = self.changeable(
            request, queryset.filter(is_active=True).exclude(pk=staff_of(request).pk)
        )
        page = self.ask_first(
            request,
            users,
            question="Deactivate these users?",
            consequence="They are signed out everywhere and can no longer sign in. Their events "
            "and registrations stay. You can reactivate them.",
        )
        if page is None:
            self.act_on(
                request, users, lambda user: change_access(user, is_active=False), "Deactivated"
            )
        return page

    @admin.action(description="Reactivate the selected users", permissions=["change"])
    def reactivate_users(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        users = self.changeable(request, queryset.filter(is_active=False))
        self.act_on(request, users, lambda user: change_access(user, is_active=True), "Reactivated")

    @admin.action(description="Sign the selected users out everywhere", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        users = self.changeable(request, queryset)
        self.act_on(request, users, sign_out_everywhere, "Ended every API session of")

    def changeable(self, request: HttpRequest, users: QuerySet[User]) -> QuerySet[User]:
        """Those of `users` that this member of staff may change; see `User.may_be_changed_by`."""
        mine = users.filter(outranked_accounts(staff_of(request)), erased_at=None)
        if "confirmed" not in request.POST and (left_out := users.count() - mine.count()):
            self.message_user(
                request,
                f"{left_out} left out: erased, or staff, whom only superusers change.",
                messages.WARNING,
            )
        return mine


def _rights_of(user: User) -> dict[str, Any]:
    """Names of groups and permissions, as the audit tells them."""
    return {
        "groups": sorted(user.groups.values_list("name", flat=True)),
        "user_permissions": sorted(user.user_permissions.values_list("codename", flat=True)),
    }


@admin.register(AuditEntry)
class AuditAdmin(ReadOnlyAdmin):
    """Who changed what, the latest first."""

    list_display = ("at", "actor", "action", "kind", "row", "what")
    list_select_related = ("actor",)
    list_filter = ("kind", "action")
    date_hierarchy = "at"
    ordering = ("-id",)
    search_fields = ("actor__email__istartswith", "row_id__exact", "request_id__exact")
    search_help_text = "The beginning of an actor's address, the id of a row, or of a request."
    fields = ("at", "actor", "action", "kind", "row", "what", "request_id")
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
        return told_changes(entry)


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Sign-ins of the API. Their tokens are nobody's business."""

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
