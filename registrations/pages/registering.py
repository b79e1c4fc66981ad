"""The registration form of an event's page. The services are those of the API."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from config.api.http.one_use_forms import FormToken, check_token, submit_once
from config.api.http.rate_limits import check_limit
from config.api.http.throttling import client_address, client_network
from config.api.pages import read_form
from config.errors import FieldError, ValidationFailed
from events.access_keys import key_of_event
from events.links import page_path
from events.models import Event

from .. import services
from ..forms.questions import Questions, questions_of
from ..models import AddressConfirmation, Registration
from ..serializers import RegisterIn
from ..tickets import manage_token
from .party_form import TRAP, PartyForm, Sent, guest_contact, guest_places, number_of
from .question_fields import read_answers

_TEXTS = ("name", "email", "source", "code")
_NUMBERS = ("party_size", "form_version")
_NEWS_SECONDS = 600
_GUEST = SimpleNamespace(user=AnonymousUser())  # the caller of a request, for the serializer


@dataclass(frozen=True)
class RegistrationForm(PartyForm):
    token: FormToken | None = None

    @property
    def email(self) -> str:
        return self.value("email")

    @property
    def source(self) -> str:
        return self.value("source")

    @property
    def code(self) -> str:
        return self.value("code")


def register_by_form(
    request: HttpRequest, event: Event, token: FormToken | None, sent: Sent
) -> HttpResponse:
    """Registers a guest, once for each form. Raises `DomainError`."""
    check_limit("register", client_network(request))
    token = check_token(token)
    if any(sent.get(TRAP, ())):
        raise ValidationFailed(
            FieldError(TRAP, "invalid", "Leave the field “Website” empty and send the form again.")
        )
    data = read_form(RegisterIn, _fields(event, sent), request=_GUEST)

    def register() -> HttpResponse:
        made = services.register_caller(event.pk, None, **data, is_opened=True)
        return HttpResponseRedirect(_next_page(event, made))

    values = [(name, texts) for name, texts in sent.items() if name != "token"]
    return submit_once(token, values, register, address=client_address(request))


def _fields(event: Event, sent: Sent) -> dict[str, Any]:
    """The fields as a client of the API sends them."""
    fields: dict[str, Any] = {name: sent[name][0] for name in _TEXTS if sent.get(name)}
    for name in _NUMBERS:
        if sent.get(name):
            fields[name] = number_of(sent[name][0])
    if sent.get("show_name"):
        fields["show_name"] = True
    questions = questions_of(event.form)
    if answers := read_answers(questions, sent):
        fields["answers"] = answers
    if guests := _guests(questions, sent):
        fields["guests"] = guests
    return fields


def _guests(questions: Questions, sent: Sent) -> list[dict[str, Any]]:
    guests = []
    for place in guest_places(sent):
        guest: dict[str, Any] = guest_contact(sent, place)
        path = f"guests.{place}.answers"
        if answers := read_answers(questions, sent, path=path, is_guest=True):
            guest["answers"] = answers
        guests.append(guest)
    return guests


def _next_page(event: Event, made: Registration | AddressConfirmation) -> str:
    """The page of the registration, which has the ticket.

    The address is not proven. If it belongs to an account, ticket and link are for its owner only
    and are sent by e-mail.
    """
    if isinstance(made, AddressConfirmation) or made.user_id is not None:
        key = {"key": key_of_event(event)} if event.is_unlisted else {}
        done = "unconfirmed" if isinstance(made, AddressConfirmation) else "mailed"
        news = _signer().sign(f"{event.pk}:{done}")
        return f"{page_path(event)}?{urlencode({**key, 'done': news})}#done"
    query = urlencode({"token": manage_token(made.pk), "done": made.status})
    return f"{reverse('manage-registration', args=(made.pk,))}?{query}"


def news_of(event: Event, text: str) -> str:
    """`mailed` or `unconfirmed`, right after registering. Later and to others it says nothing.

    The address of the page is shared, and must not tell others that they are registered.
    """
    try:
        pk, _, news = _signer().unsign(text, max_age=_NEWS_SECONDS).partition(":")
    except signing.BadSignature:
        return ""
    return news if pk == str(event.pk) else ""


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt="registrations.news")
