"""The page where the holder of a registration's link sees, corrects and cancels it."""

from base64 import b64encode
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from config.api.pages import mail_page, read_form, sentences, token_of
from config.errors import DomainError
from events.models import Event

from .. import services
from ..models import Registration
from ..serializers import RegistrationEditIn
from ..tickets import opens, ticket_svg

# What the page says after an act; the address carries the word, so only these are shown.
_NEWS = {
    "name": "The name is corrected.",
    "cancelled": "Your registration is cancelled.",
}


@mail_page
def manage_registration(request: HttpRequest, pk: UUID) -> HttpResponse:
    token = token_of(request)
    registration = Registration.objects.for_display().opened_by_link().filter(pk=pk).first()
    if registration is None or not opens(token, pk, registration.link_version):
        return render(request, "registrations/no_registration.html", status=404)
    mistakes: list[str] = []
    if request.method == "POST":
        try:
            done = _act(request, registration)
        except DomainError as refusal:
            mistakes = sentences(refusal)
        else:
            query = urlencode({"token": token, "done": done})
            return HttpResponseRedirect(f"{reverse('manage-registration', args=(pk,))}?{query}")
    qr = b64encode(ticket_svg(registration.ticket_code)).decode()
    shown = {
        "registration": registration,
        "event": registration.event,
        "is_cancelling_closed": _is_cancelling_closed(registration),
        "token": token,
        "mistakes": mistakes,
        "name": request.POST.get("name", registration.name),
        "news": _NEWS.get(request.GET.get("done", "")),
        "ticket": f"data:image/svg+xml;base64,{qr}",
    }
    status = 400 if mistakes else 200
    return render(request, "registrations/manage_registration.html", shown, status=status)


def _is_cancelling_closed(registration: Registration) -> bool:
    """Whether it is too late for its holder to give up the seat."""
    event = registration.event
    return (
        registration.status == Registration.Status.CONFIRMED
        and event.status == Event.Status.PUBLISHED
        and event.is_cancellation_closed()
    )


def _act(request: HttpRequest, registration: Registration) -> str:
    """Do what the form asks for, and say which of `_NEWS` that makes. Raises `DomainError`."""
    if "cancel" in request.POST:
        services.cancel_registration(registration)
        return "cancelled"
    given = read_form(RegistrationEditIn, {"name": request.POST.get("name", "")})
    services.edit_registration(registration, **given)
    return "name"
