"""The facts about the site that every page shows."""

from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site_name() -> str:
    """The name of the sender of e-mails, which is also their signature."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[0] or "Events"


def site_facts(request: HttpRequest) -> dict[str, Any]:
    """A context processor."""
    return {"site_name": site_name(), "public_pages": settings.PUBLIC_PAGES}
