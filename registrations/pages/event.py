"""The page of an event, where everybody reads about it and registers."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import render

from config.api.http.one_use_forms import FormToken, new_token, read_token
from config.api.http.timezones import has_requested_zone, requested_zone
from config.api.pages import public_page
from config.errors import DomainError, NotFound
from events.links import page_link, page_path
from events.models import Event
from events.services import is_key_of

from ..models import Feedback
from .event_facts import page_facts
from .names import first_names, has_names, read_names
from .party_form import sent_values
from .registering import RegistrationForm, news_of, register_by_form

_MAX_SOURCE_LENGTH = 64
_FEEDBACK_ROWS = 20


@public_page()
def event_redirect(request: HttpRequest, pk: int) -> HttpResponse:
    return _redirect(request, _event(request, pk))


@public_page(methods=("GET", "HEAD", "POST"))
def event_page(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    event = _event(request, pk)
    if request.method == "POST":
        return _submitted(request, event)
    if request.path != page_path(event):
        return _redirect(request, event)
    sent = {"source": [source]} if (source := _source(request)) else {}
    form = RegistrationForm(event, sent, token=_new_token(event))
    return _page(request, event, form)


@public_page()
def event_names(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    """Every name, for an event that shows more of them than its page has."""
    event = _event(request, pk)
    if not has_names(event):
        raise NotFound
    people = read_names(event, request.build_absolute_uri(), request.GET.get("cursor"))
    context = {"event": event, "people": people, "page_path": page_link(event)}
    response = render(request, "registrations/names.html", context)
    response["X-Robots-Tag"] = "noindex"
    return response


def _event(request: HttpRequest, pk: int) -> Event:
    """Raises `NotFound` for an event that a guest of the API does not see."""
    is_opened = is_key_of(request.GET.get("key"), pk)
    event = (
        Event.objects.visible_to(AnonymousUser(), is_opened=is_opened)
        .for_display()
        .filter(pk=pk)
        .first()
    )
    if event is None:
        raise NotFound
    return event


def _redirect(request: HttpRequest, event: Event) -> HttpResponse:
    """To the address with the current name.

    Caches may not keep it. Otherwise an event that gets an earlier name again would redirect in a
    circle.
    """
    query = request.META.get("QUERY_STRING", "")
    response = HttpResponsePermanentRedirect(page_path(event) + (f"?{query}" if query else ""))
    response["Cache-Control"] = "no-store"
    return response


def _submitted(request: HttpRequest, event: Event) -> HttpResponse:
    """The response to the form: the page of the registration, or the form with its errors."""
    token = read_token(request.POST.get("token", ""), _form_name(event))
    sent = sent_values(request.POST)
    try:
        return register_by_form(request, event, token, sent)
    except DomainError as refusal:
        event = _event(request, event.pk)  # its seats may have changed
        fresh = _new_token(event, token)
        form = RegistrationForm(event, sent, refusal, token=fresh)
        response = _page(request, event, form)
        response.status_code = refusal.status
        for name, value in refusal.headers.items():
            response[name] = value
        return response


def _page(request: HttpRequest, event: Event, form: RegistrationForm) -> HttpResponse:
    zone = str(requested_zone(request)) if has_requested_zone(request) else event.timezone
    state, states = event.registration_state, Event.RegistrationState
    is_news = form.refusal is None and state != states.CANCELLED
    done = news_of(event, request.GET.get("done", "")) if is_news else ""
    takes_registrations = state in {states.OPEN, states.WAITLIST}
    context: dict[str, Any] = {
        "event": event,
        "state": state.value,
        "zone": zone,
        "form": form,
        # The form of a refusal has what was typed, also if the last seat was just taken.
        "shows_form": (takes_registrations and not done)
        or (form.refusal is not None and state == states.FULL),
        "is_mailed": done == "mailed",
        "is_unconfirmed": done == "unconfirmed",
        "feedback": _feedback(event) if event.feedback_count else (),
        "people": first_names(event),
        **page_facts(event),
    }
    return render(request, "registrations/event.html", context)


def _feedback(event: Event) -> list[Feedback]:
    latest = Feedback.objects.filter(event=event).not_hidden().for_display()
    return list(latest.order_by("-created_at", "-pk")[:_FEEDBACK_ROWS])


def _form_name(event: Event) -> str:
    return f"register {event.pk}"


def _new_token(event: Event, earlier: FormToken | None = None) -> FormToken:
    return new_token(_form_name(event), earlier)


def _source(request: HttpRequest) -> str:
    """Where the visitor comes from, for the statistics: `utm_source` of the link."""
    source = request.GET.get("utm_source", "").strip()[:_MAX_SOURCE_LENGTH].strip()
    return source if source.isprintable() else ""
