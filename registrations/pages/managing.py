"""The page where the holder of a registration's link views, corrects and cancels it."""

from base64 import b64encode
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from config.api.pages import mail_page, read_form, sentences, token_of
from config.errors import DomainError
from events.access_keys import key_query

from .. import services
from ..models import Registration
from ..serializers import RegistrationEditIn
from ..services.eligibility import is_cancellation_closed
from ..tickets import is_manage_token, ticket_svg

# The text that the page shows after an action. The query string has the key, so other keys show
# nothing.
_RESULT_TEXTS = {
    "name": "The name is corrected.",
    "party": "The size of your party is changed.",
    "cancelled": "Your registration is cancelled.",
    "confirmed": "You are registered. The ticket is on its way to your e-mail address, too.",
    "pending": "Your request is on its way to the organizer.",
    "waitlisted": "You are on the waiting list. The link to this page is on its way by e-mail.",
}


@mail_page
def registration_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    token = token_of(request)
    registration = Registration.objects.for_display().opened_by_link().filter(pk=pk).first()
    if registration is None or not is_manage_token(token, pk, registration.link_version):
        return render(request, "registrations/no_registration.html", status=404)
    problems: list[str] = []
    if request.method == "POST":
        try:
            result = _apply_form(request, registration)
        except DomainError as refusal:
            problems = sentences(refusal)
        else:
            query = urlencode({"token": token, "done": result})
            return HttpResponseRedirect(f"{reverse('manage-registration', args=(pk,))}?{query}")
    qr = b64encode(ticket_svg(registration.ticket_code)).decode()
    context = {
        "registration": registration,
        "event": registration.event,
        "is_cancelling_closed": is_cancellation_closed(
            registration, registration.event, timezone.now()
        ),
        "token": token,
        "mistakes": problems,
        "name": request.POST.get("name", registration.name),
        "party_size": request.POST.get("party_size", registration.party_size),
        "news": _RESULT_TEXTS.get(request.GET.get("done", "")),
        "page_url": registration.page_url,
        "calendar_path": reverse("event-calendar", args=(registration.event_id,))
        + key_query(registration.event),
        "ticket": f"data:image/svg+xml;base64,{qr}",
    }
    status = 400 if problems else 200
    return render(request, "registrations/manage_registration.html", context, status=status)


def _apply_form(request: HttpRequest, registration: Registration) -> str:
    """Performs the form's action and returns a key of `_RESULT_TEXTS`. Raises `DomainError`."""
    if "cancel" in request.POST:
        services.cancel_registration(registration)
        return "cancelled"
    if "party_size" in request.POST:
        text = request.POST["party_size"].strip()
        is_number = text.isascii() and text.isdigit() and len(text) < 10
        fields = {"party_size": int(text) if is_number else text}
        data = read_form(RegistrationEditIn, fields, partial=True)
        services.edit_registration(registration, **data)
        return "party"
    data = read_form(RegistrationEditIn, {"name": request.POST.get("name", "")})
    services.edit_registration(registration, **data)
    return "name"
