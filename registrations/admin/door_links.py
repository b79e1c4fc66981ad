"""Door links in the admin: staff make them for volunteers, and withdraw them."""

from typing import Any

import segno
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html

from accounts.admin import AuditedAdmin, staff_of
from accounts.models import User
from config.api.admin import IsSetFilter, ServiceForm
from config.api.staff_rights import has_staff_right
from events.models import Event

from ..models import DoorLink
from ..serializers import DoorLinkIn
from ..services import create_door_link, door_links_of, withdraw_door_link

MAX_LINKS = 20


class DoorLinkForm(ServiceForm):
    """Makes a link. Its URL is in the response of the page alone."""

    staff: User  # set by the admin

    class Meta:
        model = DoorLink
        fields = ("event", "name")

    def rehearse(self) -> None:
        serializer = DoorLinkIn(data={"name": self.cleaned_data["name"]})
        serializer.is_valid(raise_exception=True)
        self.cleaned_data |= serializer.validated_data

    def write(self) -> tuple[DoorLink, str]:
        """The link and its URL."""
        data = self.cleaned_data
        return create_door_link(data["event"], name=data["name"], by=self.staff)


@admin.register(DoorLink)
class DoorLinkAdmin(AuditedAdmin):
    """Makes links, shows the URL of each once, and withdraws them."""

    form = DoorLinkForm
    list_display = ("name_or_number", "event", "created_by", "created_at", "last_used_at",
                    "expires_at", "withdrawn_at")  # fmt: skip
    list_display_links = ("name_or_number",)
    list_select_related = ("event", "created_by")
    list_filter = (IsSetFilter.of("withdrawn_at", "withdrawn"),)
    ordering = ("-id",)
    search_fields = ("name__istartswith", "created_by__username__istartswith")
    search_help_text = "The beginning of a name, or of the name of who made it."
    autocomplete_fields = ("event",)
    facts = (
        "name",
        "event",
        "created_by",
        "created_at",
        "last_used_at",
        "expires_at",
        "withdrawn_at",
        "changes",
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": ("event", "name"),
                "description": "The link opens the check-in page of the event without an account, "
                "until a day after its end. Make one for each volunteer, so that one can be "
                "withdrawn alone. It works as long as your rights do.",
            },
        ),
    )
    actions = ("withdraw_links",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DoorLink]:
        return super().get_queryset(request).select_related("event", "created_by")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": self.facts})] if obj else self.add_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.facts if obj else ()

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, *args, **kwargs)  # a new class for each request
        form.staff = staff_of(request)
        if "event" in form.base_fields:
            widget = form.base_fields["event"].widget
            widget.can_add_related = widget.can_change_related = widget.can_view_related = False
        return form

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The next page has the URL, whichever button is pressed. So there is one."""
        context |= {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "event":
            kwargs["queryset"] = Event.objects.visible_to(staff_of(request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """As in the API, whoever makes a link has to see people. Without that it would not work."""
        sees_people = has_staff_right(staff_of(request), "registrations.change_registration")
        return sees_people and super().has_add_permission(request)

    def save_model(self, request: HttpRequest, obj: DoorLink, form: Any, change: bool) -> None:
        link, obj.url = form.write()  # type: ignore[attr-defined]  # for `response_add`
        obj.pk = link.pk
        obj.refresh_from_db()

    def response_add(self, request: HttpRequest, obj: DoorLink, *args: Any) -> HttpResponse:
        """The page with the URL and its QR code, in place of a redirect that would lose them."""
        url: str = obj.url  # type: ignore[attr-defined]
        symbol = segno.make_qr(url, error="m")
        context = {
            **self.admin_site.each_context(request),
            "title": "The door link is made",
            "opts": self.opts,
            "link": obj,
            "url": url,
            "symbol": symbol.svg_data_uri(light="#fff"),
        }
        response = TemplateResponse(request, "registrations/admin/new_door_link.html", context)
        add_never_cache_headers(response)
        return response

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "event__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="name", ordering="name")
    def name_or_number(self, link: DoorLink) -> str:
        return str(link)

    @admin.action(description="Withdraw the selected links…", permissions=["change"])
    def withdraw_links(
        self, request: HttpRequest, queryset: QuerySet[DoorLink]
    ) -> HttpResponse | None:
        links = queryset.filter(withdrawn_at=None)
        page = self.ask_first(
            request,
            links,
            question="Withdraw these links?",
            consequence="Whoever has them can check nobody in any more. This is final.",
        )
        if page is None:
            self.act_on(request, links, withdraw_door_link, "Withdrew")
        return page


def door_links_table(event: Event) -> str:
    """The links of an event that are not withdrawn, the latest first."""
    links = list(door_links_of(event).order_by("-pk")[: MAX_LINKS + 1])
    context = {"event": event, "links": links[:MAX_LINKS], "has_more": len(links) > MAX_LINKS}
    return render_to_string("registrations/admin/door_links.html", context)


def new_door_link(event: Event) -> str:
    """A link to the page that makes one for this event."""
    url = reverse("admin:registrations_doorlink_add")
    return format_html('<a href="{}?event={}">Make a door link</a>', url, event.pk)
