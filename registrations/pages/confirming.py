"""The page where a guest confirms the address of a registration."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from accounts.errors import InvalidOrExpiredLink
from config.api.pages import mail_page, token_of
from config.errors import DomainError
from events.errors import EventCancelled, EventStarted
from events.links import page_url

from .. import services
from ..errors import CodeInvalid, CodeRequired, CodeUsedUp, OptionFull, PartyTooLarge
from ..services.confirmations import find_confirmation
from ..tickets import manage_link
from .wording import plain_sentences

# Confirming again never helps: the event has changed since the request.
_NEEDS_OTHER_REQUEST = (OptionFull, PartyTooLarge, CodeRequired, CodeInvalid, CodeUsedUp)
_FINAL = (EventCancelled, EventStarted)


@mail_page
def confirmation_page(request: HttpRequest) -> HttpResponse:
    token = token_of(request)
    try:
        found = find_confirmation(token)
    except InvalidOrExpiredLink:
        return _page(request, {}, status=404)
    if found.event.deleted_at is not None:
        return _page(request, {"deleted": found.event}, status=404)
    problems: list[str] = []
    way_on, is_final = None, False
    if request.method == "POST":
        try:
            registration = services.confirm(token)
        except InvalidOrExpiredLink:  # since it was read above
            return _page(request, {}, status=404)
        except DomainError as refusal:
            problems = _sentences(refusal)
            is_final = isinstance(refusal, (*_NEEDS_OTHER_REQUEST, *_FINAL))
            if isinstance(refusal, _NEEDS_OTHER_REQUEST) and not found.event.is_unlisted:
                way_on = page_url(found.event)
        else:
            link = manage_link(registration.pk, registration.link_version)
            return HttpResponseRedirect(link)
    context = {
        "event": found.event,
        "name": found.details["name"],
        "email": found.email,
        "party_size": found.details["party_size"],
        "token": token,
        "mistakes": problems,
        "way_on": way_on,
        "is_final": is_final,
    }
    return _page(request, context, status=400 if problems else 200)


def _sentences(refusal: DomainError) -> list[str]:
    if isinstance(refusal, CodeRequired):  # the mode of the event is another one by now
        return ["Registering needs a code by now. Ask the organizer for one, and register with it."]
    return plain_sentences(refusal)


def _page(request: HttpRequest, context: dict[str, object], *, status: int) -> HttpResponse:
    return render(request, "registrations/confirm_registration.html", context, status=status)
