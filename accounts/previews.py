"""Previews of all mails in the admin, with sample facts."""

from base64 import b64encode
from collections.abc import Callable
from functools import wraps
from typing import Any

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.clickjacking import xframe_options_sameorigin

from config.api.staff_rights import has_staff_right

from .models import Notification
from .notifications import Attachment, Kind, find_kind, kinds
from .notifications.rendering import render_mail, render_notice

# A mail contains its styles, and the page of the preview shows it in a frame.
_OF_A_MAIL = {"style-src": [UNSAFE_INLINE], "frame-ancestors": [SELF]}


def urls_of(site: AdminSite) -> list[URLPattern]:
    """The URLs of the previews, for staff who may view notifications."""

    def protected(view: Any) -> Any:
        return site.admin_view(_for_viewers(view))

    def mails(request: HttpRequest) -> HttpResponse:
        """The list of all mails."""
        context = {
            **site.each_context(request),
            "title": "Mails",
            "rows": [(kind, _sample(kind)[0]) for kind in _with_samples()],
        }
        return TemplateResponse(request, "accounts/admin/mails.html", context)

    def mail(request: HttpRequest, name: str = "") -> HttpResponse:
        """One mail: text, attachments, and rendered HTML."""
        kind = _kind(name)
        row, facts = _sample(kind)
        text, _ = render_mail(kind, row, facts)
        attachments = [_described(attachment) for attachment in kind.attach(row, facts)]
        context = {
            **site.each_context(request),
            "title": kind.title,
            "kind": kind,
            "row": row,
            "text": text,
            "attached": attachments,
        }
        return TemplateResponse(request, "accounts/admin/mail.html", context)

    return [
        path("mails/", protected(mails), name="mails"),
        path("mails/<slug:name>/", protected(mail), name="mail"),
        path("mails/<slug:name>/html/", protected(_html), name="mail-html"),
    ]


def _for_viewers(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not has_staff_right(request.user, "accounts.view_notification"):
            raise PermissionDenied
        return view(request, **kwargs)

    return guarded


@xframe_options_sameorigin
@csp_replace(_OF_A_MAIL)
def _html(request: HttpRequest, name: str = "") -> HttpResponse:
    kind = _kind(name)
    row, facts = _sample(kind)
    _, html = render_mail(kind, row, facts)
    for attachment in kind.attach(row, facts):
        if attachment.inline:
            image = (
                f"data:{attachment.content_type};base64,{b64encode(attachment.content).decode()}"
            )
            html = html.replace(f"cid:{attachment.inline}", image)
    return HttpResponse(html)


def _with_samples() -> list[Kind]:
    samples = (kind for kind in kinds() if kind.mail and kind.sample is not None)
    return sorted(samples, key=lambda kind: kind.name)


def _kind(name: str) -> Kind:
    kind = find_kind(name)
    if kind is None or kind not in _with_samples():
        raise Http404
    return kind


def _sample(kind: Kind) -> tuple[Notification, Any]:
    """An unsaved row with its subject and short text, and its sample facts."""
    facts = kind.sample() if kind.sample else {}
    row = Notification(kind=kind.name, key=f"{kind.name}:sample", email="bob@example.com")
    row.subject, row.body = render_notice(kind, row, facts)
    return row, facts


def _described(attachment: Attachment) -> dict[str, str]:
    parameters = "".join(f"; {name}={value}" for name, value in attachment.parameters.items())
    is_text = attachment.content_type.startswith("text/")
    return {
        "filename": attachment.filename,
        "type": f"{attachment.content_type}{parameters}",
        "text": attachment.content.decode() if is_text else "",
    }
