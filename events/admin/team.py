"""Teams in the admin: the rows on the page of an event, the table on that of a series, all members.

The services change teams, and record each change in the audit of the event.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.timezone import localtime

from accounts.admin import AuditedAdmin, staff_of
from accounts.audit import changes_of
from accounts.models import User
from config.api.admin import ServiceForm

from ..models import Event, Role, TeamMember
from ..serializers.team import ROLES, MemberIn
from ..services.team import change_role, invite, remove_member, withdraw_transfer

MAX_MEMBERS = 50


def team_table(row: Any) -> str:
    """The members of an event or series, and its transfer. Changes are in its audit.

    Without addresses, which need the permission to view members.
    """
    members = list(row.team.select_related("user").order_by("pk")[: MAX_MEMBERS + 1])
    if not members:
        return "None beside the owner."
    lines = (
        (
            member.user or "somebody invited",
            member.get_role_display(),
            member.get_state_display(),
            ""
            if member.expires_at is None
            else f"until {localtime(member.expires_at):%Y-%m-%d %H:%M}",
        )
        for member in members[:MAX_MEMBERS]
    )
    table = format_html(
        "<table><tr><th>Who</th><th>Role</th><th>State</th><th>Invitation</th></tr>{}</table>",
        format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", lines),
    )
    url = reverse("admin:events_teammember_changelist")
    name = row._meta.model_name
    return format_html('{}<a href="{}?{}__id__exact={}">Show all</a>', table, url, name, row.pk)


class MemberForm(ServiceForm):
    """Invites an address, or changes the role of a member. A transfer can only be withdrawn."""

    staff: User  # these two are set by the inline
    event: Event

    email = forms.EmailField(help_text="Gets an invitation.")
    role = forms.ChoiceField(choices=ROLES)

    class Meta:
        model = TeamMember
        fields = ("email", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            return
        # The page shows no addresses, which need the permission to view members.
        self.initial["email"] = ""
        self.fields["email"].disabled, self.fields["email"].required = True, False
        if self.instance.role == Role.OWNER:
            owner = [(Role.OWNER.value, "Owner, once it is accepted")]
            self.fields["role"] = forms.ChoiceField(choices=owner, disabled=True, required=False)

    def rehearse(self) -> None:
        if not {"email", "role"}.isdisjoint(self.changed_data):
            self.write()

    def write(self) -> TeamMember:
        """Raises `DomainError`."""
        role = self.cleaned_data["role"]
        if self.instance.pk is not None:
            return change_role(self.event, self.instance.pk, role=role, by=self.staff)
        serializer = MemberIn(data={"email": self.cleaned_data["email"], "role": role})
        serializer.is_valid(raise_exception=True)
        return invite(self.event, **serializer.validated_data, by=self.staff)


class TeamInline(admin.TabularInline):
    """Members, invitations, and the transfer of an event, if there is one."""

    model = TeamMember
    form = MemberForm
    fk_name = "event"
    fields = ("who", "email", "role", "state", "expires_at")
    readonly_fields = ("who", "state", "expires_at")
    ordering = ("pk",)
    extra = 0
    verbose_name = "member"
    verbose_name_plural = "team: members and invitations"

    def get_queryset(self, request: HttpRequest) -> QuerySet[TeamMember]:
        return super().get_queryset(request).select_related("user")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset: Any = super().get_formset(request, obj, **kwargs)
        formset.form.staff, formset.form.event = staff_of(request), obj  # a class of this request
        return formset

    @admin.display
    def who(self, member: TeamMember) -> str:
        return str(member.user or ("" if member.pk is None else "somebody invited"))


def save_team(formset: Any, staff: User) -> None:
    """Ends the roles that were marked, and writes the other changes. Raises `DomainError`."""
    for form in formset.forms:
        member = form.instance
        if form in formset.deleted_forms:
            if member.pk is None:
                continue
            if member.role == Role.OWNER:
                withdraw_transfer(form.event, by=staff)
            else:
                remove_member(form.event, member.pk, by=staff)
        elif not {"email", "role"}.isdisjoint(form.changed_data):
            form.write()
    formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []


@admin.register(TeamMember)
class TeamMemberAdmin(AuditedAdmin):
    """Roles and invitations. They are changed on the page of the event; staff can end them here."""

    list_display = ("email", "user", "role", "state", "event", "series", "invited_by", "expires_at")
    list_select_related = ("user", "event", "series", "invited_by")
    list_filter = ("role", "state")
    ordering = ("-id",)
    search_fields = ("email__istartswith", "user__username__istartswith")
    search_help_text = "The beginning of an e-mail address or of a user name."
    fields = readonly_fields = (
        "email",
        "user",
        "role",
        "state",
        "event",
        "series",
        "invited_by",
        "invited_at",
        "expires_at",
        "created_at",
        "changes",
    )
    actions = ("remove_members",)

    def entries_of(self, row: Any) -> Any:
        """The changes of a member are in the audit of the event or series."""
        of_member = Q(before__member=row.pk) | Q(after__member=row.pk)
        return changes_of(row.row).filter(of_member)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        own = lookup in {"event__id__exact", "series__id__exact"}
        return own or super().lookup_allowed(lookup, value, request)

    @admin.action(description="Remove the selected members…", permissions=["change"])
    def remove_members(
        self, request: HttpRequest, queryset: QuerySet[TeamMember]
    ) -> HttpResponse | None:
        """Transfers are withdrawn by the API."""
        members = queryset.exclude(role="owner").filter(
            Q(event=None) | Q(event__deleted_at=None), Q(series=None) | Q(series__deleted_at=None)
        )
        page = self.ask_first(
            request,
            members,
            question="Remove these members?",
            consequence="Their roles end at once, and open invitations are withdrawn.",
        )
        if page is None:
            staff = staff_of(request)
            self.act_on(
                request,
                members.select_related("event", "series"),
                lambda member: remove_member(member.row, member.pk, by=staff),
                "Removed",
            )
        return page
