"""The page where the holder of a registration's link views, changes and cancels it."""

from base64 import b64encode
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from config.api.http.rate_limits import check_limit
from config.api.http.throttling import client_network
from config.api.pages import mail_page, read_form, token_of
from config.errors import DomainError, FieldError, RateLimited, ValidationFailed
from events.access_keys import key_query
from events.calendars import google_calendar_url
from events.models import Event

from .. import services
from ..models import Registration
from ..serializers import RegistrationEditIn
from ..services.eligibility import check_is_current, is_cancellation_closed
from ..tickets import is_manage_token, ticket_svg
from .editing import changes_of, edit_form
from .party_form import sent_values
from .wording import plain_sentences

Status = Registration.Status
# The text that the page shows after an action. The query string has the key, so other keys show
# nothing.
_RESULT_TEXTS = {
    "name": "The name is corrected.",
    "party": "The size of your party is changed.",
    "saved": "Your changes are saved.",
    "same": "Everything is as it was.",
    "sent": "The e-mail is on its way to you again.",
    "cancelled": "Your registration is cancelled.",
    "confirmed": "You are registered. The ticket is on its way to your e-mail address, too.",
    "pending": "Your request is on its way to the organizer.",
    "waitlisted": "You are on the waiting list. The link to this page is on its way by e-mail.",
}
_HANDED_ON = "handed-on"


@mail_page
def registration_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    token = token_of(request)
    registration = _find(pk, token)
    if registration is None:
        return _not_found(request, pk, token)
    if request.method == "POST":
        return _submitted(request, registration, token)
    return _page(request, registration, token)


def _submitted(request: HttpRequest, registration: Registration, token: str) -> HttpResponse:
    try:
        result = _apply_form(request, registration)
    except RateLimited:
        raise
    except DomainError as refusal:
        # The row read before has values of the attempt, and may have got another holder.
        current = _find(registration.pk, token)
        if current is None:
            return _not_found(request, registration.pk, token)
        return _page(request, current, token, refusal)
    path = reverse("manage-registration", args=(registration.pk,))
    return HttpResponseRedirect(f"{path}?{urlencode({'token': token, 'done': result})}")


def _not_found(request: HttpRequest, pk: UUID, token: str) -> HttpResponse:
    """After handing on, the token of the former holder opens the page that says so, and no more."""
    if request.GET.get("done") == _HANDED_ON and _is_former_token(token, pk):
        return render(request, "registrations/handed_on.html")
    return render(request, "registrations/no_registration.html", status=404)


def _find(pk: UUID, token: str) -> Registration | None:
    row = Registration.objects.for_display().opened_by_link().filter(pk=pk).first()
    return row if row is not None and is_manage_token(token, pk, row.link_version) else None


def _is_former_token(token: str, pk: UUID) -> bool:
    version = Registration.objects.filter(pk=pk).values_list("link_version", flat=True).first()
    if not version:
        return False  # there is none, or it was never handed on
    return is_manage_token(token, pk, version - 1)


def _apply_form(request: HttpRequest, registration: Registration) -> str:
    """Performs the form's action and returns a key of `_RESULT_TEXTS`, or `_HANDED_ON`.

    Raises `DomainError`.
    """
    if "cancel" in request.POST:
        services.cancel_registration(registration)
        return "cancelled"
    if "resend" in request.POST:
        services.send_confirmation_again(registration)
        return "sent"
    if "hand_on" in request.POST:
        return _hand_on(request, registration)
    check_is_current(registration)
    changes = changes_of(registration, _sent(request))
    if not changes:
        return "same"
    data = read_form(RegistrationEditIn, changes, partial=True)
    services.edit_registration(registration, **data)
    if changes.keys() == {"name"}:
        return "name"
    return "party" if changes.keys() == {"party_size"} else "saved"


def _hand_on(request: HttpRequest, registration: Registration) -> str:
    fields = {each: request.POST.get(f"new_{each}", "") for each in ("name", "email")}
    data = read_form(RegistrationEditIn, fields)
    if data["email"] == registration.email:
        raise ValidationFailed(
            FieldError("email", "invalid", "This is your own address. Enter that of the other one.")
        )
    check_limit("register", client_network(request))  # it tells whether an address is registered
    services.edit_registration(registration, **data)
    return _HANDED_ON


def _sent(request: HttpRequest) -> dict[str, list[str]]:
    """The fields of the form. A name with a NUL is refused, and not repaired."""
    sent = sent_values(request.POST)
    return {**sent, "name": [request.POST["name"]]} if "name" in sent else sent


def _page(
    request: HttpRequest, registration: Registration, token: str, refusal: DomainError | None = None
) -> HttpResponse:
    event, now = registration.event, timezone.now()
    others = ("cancel", "resend", "hand_on")
    is_other = any(name in request.POST for name in others)
    of_form = None if is_other else refusal
    sent = _sent(request)
    form = edit_form(registration, sent if of_form else None, of_form)
    qr = b64encode(ticket_svg(registration.ticket_code)).decode()
    is_ahead = event.status == Event.Status.PUBLISHED and not event.has_started(now)
    context: dict[str, Any] = {
        "registration": registration,
        "event": event,
        "state": _state(registration, event, now),
        "is_current": registration.status not in {Status.CANCELLED, Status.REJECTED},
        "is_ahead": is_ahead,
        "is_cancelling_closed": is_cancellation_closed(registration, event, now),
        "token": token,
        "form": form,
        "mistakes": plain_sentences(refusal) if refusal and is_other else [],
        "is_handing_on": "hand_on" in request.POST,
        "new_name": sent.get("new_name", [""])[0],
        "new_email": sent.get("new_email", [""])[0],
        "news": _RESULT_TEXTS.get(request.GET.get("done", "")),
        "page_url": registration.page_url,
        "calendar_path": reverse("event-calendar", args=(event.pk,)) + key_query(event),
        "google_calendar_url": google_calendar_url(event),
        "ticket": f"data:image/svg+xml;base64,{qr}",
    }
    status = 400 if refusal else 200
    return render(request, "registrations/manage_registration.html", context, status=status)


def _state(registration: Registration, event: Event, now: datetime) -> tuple[str, str]:
    """How it stands with the registration, and what happens next."""
    status = registration.status
    if status == Status.CANCELLED:
        return "This registration is cancelled.", ""
    if status == Status.REJECTED:
        return "The organizer has not accepted this registration.", "You have no seat."
    if event.status == Event.Status.CANCELLED:
        reason = event.cancellation_reason
        return "The event was called off.", f"The organizer says: {reason}" if reason else ""
    if event.has_started(now) and status != Status.CONFIRMED:
        is_waiting = status == Status.WAITLISTED
        why = "No seat came free for you." if is_waiting else "The organizer made no decision."
        return "The event has begun.", why
    if event.end_time <= now:
        return "The event is over.", "You had a seat."
    if status == Status.WAITLISTED:
        position = f"You are on the waiting list, as number {registration.position}."  # type: ignore[attr-defined]
        seats, size = event.max_capacity, registration.party_size
        if seats is not None and size > seats:
            too_large = (
                f"Your party of {size} is too large for the event, whose capacity is {seats}."
            )
            return position, f"{too_large} Make it smaller below to get seats."
        enough = "a seat comes" if size == 1 else "enough seats come"
        return (
            position,
            f"When {enough} free, you move up without doing anything, and get an e-mail.",
        )
    if status == Status.PENDING:
        return (
            "The organizer decides on your registration.",
            "You have no seat yet. An e-mail tells you when there is a decision.",
        )
    if registration.checked_in_at:
        return "You have a seat, and you are checked in.", ""
    return "You have a seat.", "Your ticket is below."
