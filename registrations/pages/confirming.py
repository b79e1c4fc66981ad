"""The page where a guest confirms the address of a registration."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from accounts.errors import InvalidOrExpiredLink
from config.api.pages import mail_page, sentences, token_of
from config.errors import DomainError

from .. import services
from ..services.confirmations import find_confirmation
from ..tickets import manage_link


@mail_page
def confirmation_page(request: HttpRequest) -> HttpResponse:
    token = token_of(request)
    try:
        found = find_confirmation(token)
    except InvalidOrExpiredLink:
        return _page(request, {}, status=404)
    problems: list[str] = []
    if request.method == "POST":
        try:
            registration = services.confirm(token)
        except DomainError as refusal:
            problems = sentences(refusal)
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
    }
    return _page(request, context, status=400 if problems else 200)


def _page(request: HttpRequest, context: dict[str, object], *, status: int) -> HttpResponse:
    return render(request, "registrations/confirm_registration.html", context, status=status)
