"""The tag of the admin's first page: see `registrations.admin.dashboard`."""

from typing import Any

from django import template

from accounts.admin import staff_of

from ..admin.dashboard import dashboard_of

register = template.Library()


@register.inclusion_tag("registrations/admin/dashboard.html", takes_context=True)
def dashboard(context: Any) -> dict[str, Any]:
    return dashboard_of(staff_of(context["request"]))
