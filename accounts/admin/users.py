"""Accounts in the admin."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from config.api.admin import NAMES_SHOWN, IsSetFilter, confirmed_answers
from config.api.staff_rights import has_every_right, outranked_accounts
from config.api.text.email_addresses import mailbox_of

from ..audit import record
from ..models import User
from ..services import (
    change_access,
    confirm_email,
    edit_profile,
    sign_out_everywhere,
    sign_up,
)
from .audit import AuditedAdmin
from .forms import (
    ACCESS_FIELDS,
    PROFILE_FIELDS,
    ConfirmedAddressesForm,
    NewUserForm,
    PasswordForm,
    UserForm,
)

_SUPERUSER_FIELDS = ("is_staff", "is_superuser", "groups", "user_permissions")


def staff_of(request: HttpRequest) -> User:
    """The user of a request to the admin, which only staff may use."""
    return cast("User", request.user)


@admin.register(User)
class AccountAdmin(AuditedAdmin, UserAdmin):
    """Accounts. They are never deleted, since other rows refer to them."""

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
        ("Access", {"fields": (*ACCESS_FIELDS, "groups", "user_permissions")}),
        ("History", {"fields": ("signed_in", "last_login", "date_joined", "erased_at")}),
        ("Changes", {"fields": ("changes",)}),
    ]
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": (*PROFILE_FIELDS, "password1", "password2")}),
    )
    actions = ["confirm_addresses", "deactivate_users", "reactivate_users", "end_sessions"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        if has_every_right(staff_of(request)):
            return readonly
        return (*readonly, *_SUPERUSER_FIELDS)

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
                edit_profile(obj, form.changes_of(PROFILE_FIELDS), by_staff=True)
                change_access(obj, **form.changes_of(ACCESS_FIELDS))
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
        """For people whose identity was checked in another way.

        The form contains the addresses that the page showed. So an address that was changed since
        then is not confirmed, and neither is one beyond the `NAMES_SHOWN` on the page.
        """
        users = self.changeable(
            request, queryset.filter(email_verified_at=None, withdrawn_email="")
        )
        listed = {str(user.pk): user.email for user in users[:NAMES_SHOWN]}
        form = ConfirmedAddressesForm(confirmed_answers(request), listed)
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
        """The users that this member of staff may change; see `User.may_be_changed_by`."""
        changeable = users.filter(outranked_accounts(staff_of(request)), erased_at=None)
        if "confirmed" not in request.POST and (omitted := users.count() - changeable.count()):
            self.message_user(
                request,
                f"{omitted} left out: erased, or staff, whom only superusers change.",
                messages.WARNING,
            )
        return changeable


def _rights_of(user: User) -> dict[str, Any]:
    """The names of groups and permissions, for the audit."""
    return {
        "groups": sorted(user.groups.values_list("name", flat=True)),
        "user_permissions": sorted(user.user_permissions.values_list("codename", flat=True)),
    }
