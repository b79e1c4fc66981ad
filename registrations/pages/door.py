"""The check-in page of an event, which a door link opens on a volunteer's phone.

The page works with forms alone. With JavaScript it scans tickets by the camera, searches the list
of people on the phone, and keeps scans while there is no network. Its scripts use the two routes
for JSON below. No response contains an address or the code of a ticket.
"""

import hashlib
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import DatabaseError
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from config.api.fields import require_query_text
from config.api.http.exception_handler import problem_response, to_domain_error
from config.api.http.negotiation import to_json
from config.api.http.work_slots import ROWS
from config.api.pages import mail_page, read_form, read_json, sentences
from config.errors import DomainError, MethodNotAllowed, ServerError

from .. import services
from ..attendee_search import attendees_with
from ..models import ADMITTED_COUNT, DoorLink, Registration
from ..serializers import CheckInsOut, DoorListOut, DoorScanIn, DoorScansIn
from ..services.checkin import ScanResult

MAX_MATCHES = 50
_WITH_CAMERA = "camera=(self), microphone=(), geolocation=(), display-capture=()"
_AT_DOOR = {"is_at_door": True}

DoorView = Callable[[HttpRequest, DoorLink], HttpResponse]


def _door(view: DoorView) -> Callable[..., HttpResponse]:
    """Wraps a view that takes the link of the token. Other tokens get a page that explains it."""

    @mail_page
    @wraps(view)
    def handle(request: HttpRequest, token: str) -> HttpResponse:
        link = services.find_door_link(token)
        if link is None:
            return render(request, "registrations/no_door.html", status=404)
        services.record_use(link)
        return view(request, link)

    return handle


def _json(view: DoorView) -> DoorView:
    """Errors of the view are problem documents."""

    @wraps(view)
    def handle(request: HttpRequest, link: DoorLink) -> HttpResponse:
        try:
            return view(request, link)
        except (DomainError, DatabaseError) as error:
            refusal = to_domain_error(error)
            if isinstance(refusal, ServerError):
                raise
            return problem_response(refusal)

    return handle


@_door
def door_page(request: HttpRequest, link: DoorLink) -> HttpResponse:
    result, mistakes = None, list[str]()
    if request.method == "POST":
        try:
            result = _scan(request, link)
        except DomainError as refusal:
            mistakes = sentences(refusal)
    text = request.GET.get("q", "").strip()
    require_query_text("q", text)
    context = {
        "link": link,
        "event": link.event,
        "path": request.path.rstrip("/"),
        "text": text,
        "people": _matches(link, text) if text else None,
        "result": result,
        "undone": result is not None and "undo" in request.POST,
        "mistakes": mistakes,
        "nonce": secrets.token_urlsafe(12),
        **_counts(link),
    }
    status = 400 if mistakes else 200
    response = render(request, "registrations/door.html", context, status=status)
    response["Permissions-Policy"] = _WITH_CAMERA
    return response


@_door
@_json
def door_list(request: HttpRequest, link: DoorLink) -> HttpResponse:
    """The people for the scripts of the page: see `DoorListOut`."""
    body = to_json(DoorListOut(services.door_list(link.event), context=_AT_DOOR).data)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response = HttpResponse(body, content_type="application/json")
    response["ETag"] = etag
    conditional: Any = get_conditional_response(request, etag=etag, response=response)
    return conditional  # type: ignore[no-any-return]


@_door
@_json
def door_scans(request: HttpRequest, link: DoorLink) -> HttpResponse:
    """Scans of the scripts, which may be sent late and several times: see `BulkCheckInView`."""
    if request.method != "POST":
        raise MethodNotAllowed
    with ROWS.one():
        scans = read_form(DoorScansIn, read_json(request))["check_ins"]
        outcomes = services.scan_tickets(link.event, scans, by=link.created_by, door_link=link)
        results = CheckInsOut({"results": outcomes}, context=_AT_DOOR).data
    return HttpResponse(to_json(results), content_type="application/json")


@_door
def door_print(request: HttpRequest, link: DoorLink) -> HttpResponse:
    """The list on paper, for when every battery is empty."""
    rows = services.door_list(link.event).rows
    context = {"event": link.event, "people": rows, **_counts(link)}
    return render(request, "registrations/door_print.html", context)


@require_safe
def door_worker(request: HttpRequest) -> HttpResponse:
    """The service worker, with one address for good: a browser looks there for a newer one."""
    response = render(request, "registrations/door_worker.js", content_type="text/javascript")
    response["Cache-Control"] = "no-cache"
    return response


def _scan(request: HttpRequest, link: DoorLink) -> ScanResult:
    """Performs the form's check-in or undo. Raises `DomainError`."""
    scan: Any = read_form(DoorScanIn, request.POST)
    [outcome] = services.scan_tickets(link.event, [scan], by=link.created_by, door_link=link)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


def _matches(link: DoorLink, text: str) -> list[Registration]:
    people = Registration.objects.filter(event=link.event).live()
    matches = people.filter(attendees_with(text, in_addresses=False))
    return list(matches.order_by("name", "pk")[:MAX_MATCHES])


def _counts(link: DoorLink) -> dict[str, int]:
    confirmed = Registration.objects.filter(event=link.event, status=Registration.Status.CONFIRMED)
    return confirmed.aggregate(
        admitted=Sum(ADMITTED_COUNT, default=0), expected=Sum("party_size", default=0)
    )
