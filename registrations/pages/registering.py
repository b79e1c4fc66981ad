"""The registration form of an event's page. The services are those of the API."""

from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from config.api.http.one_use_forms import FormToken, check_token, submit_once
from config.api.http.rate_limits import check_limit
from config.api.http.throttling import client_address, client_network
from config.api.pages import read_form, sentences
from config.errors import DomainError, FieldError, ValidationFailed
from events.access_keys import key_of_event
from events.links import page_path
from events.models import Event

from .. import services
from ..models import AddressConfirmation, Registration
from ..serializers import RegisterIn
from ..tickets import manage_token

# Programs that fill in every field fill in this one too. People do not see it.
TRAP = "website"
_FIELDS = ("name", "email", "source")
_GUEST = SimpleNamespace(user=AnonymousUser())  # the caller of a request, for the serializer
# The API's sentences about missing values are for programs.
_MISSING = {"name": "Enter your name.", "email": "Enter your e-mail address."}


@dataclass(frozen=True)
class RegistrationForm:
    """What the form shows: the values that were typed, and the error that refused them."""

    token: FormToken
    name: str = ""
    email: str = ""
    source: str = ""
    refusal: DomainError | None = None

    @classmethod
    def of_post(
        cls, fields: QueryDict, *, token: FormToken, refusal: DomainError
    ) -> "RegistrationForm":
        values = {name: fields.get(name, "").replace("\x00", "") for name in _FIELDS}
        return cls(token=token, refusal=refusal, **values)

    @cached_property
    def errors(self) -> dict[str, str]:
        """The sentence of each field that has to be corrected."""
        if not isinstance(self.refusal, ValidationFailed):
            return {}
        return {
            error.field: _sentence(error)
            for error in reversed(self.refusal.field_errors)
            if error.field in {"name", "email"}
        }

    @cached_property
    def other_errors(self) -> list[str]:
        """The sentences that belong to no visible field."""
        if self.refusal is None:
            return []
        if not isinstance(self.refusal, ValidationFailed):
            return sentences(self.refusal)
        return [each.detail for each in self.refusal.field_errors if each.field not in self.errors]


def register_by_form(request: HttpRequest, event: Event, token: FormToken | None) -> HttpResponse:
    """Registers a guest, once for each form. Raises `DomainError`."""
    check_limit("register", client_network(request))
    token = check_token(token)
    if request.POST.get(TRAP):
        raise ValidationFailed(
            FieldError(TRAP, "invalid", "Leave the field “Website” empty and send the form again.")
        )
    fields = {name: request.POST[name] for name in _FIELDS if name in request.POST}
    data = read_form(RegisterIn, fields, request=_GUEST)

    def register() -> HttpResponse:
        made = services.register_caller(event.pk, None, **data, is_opened=True)
        return HttpResponseRedirect(_next_page(event, made))

    sent = [(name, [value]) for name, value in fields.items()]
    return submit_once(token, sent, register, address=client_address(request))


def _next_page(event: Event, made: Registration | AddressConfirmation) -> str:
    """The page of the registration, which has the ticket.

    The address is not proven. If it belongs to an account, ticket and link are for its owner only
    and are sent by e-mail.
    """
    if isinstance(made, AddressConfirmation) or made.user_id is not None:
        key = {"key": key_of_event(event)} if event.is_unlisted else {}
        done = "unconfirmed" if isinstance(made, AddressConfirmation) else "mailed"
        return f"{page_path(event)}?{urlencode({**key, 'done': done})}#done"
    query = urlencode({"token": manage_token(made.pk), "done": made.status})
    return f"{reverse('manage-registration', args=(made.pk,))}?{query}"


def _sentence(error: FieldError) -> str:
    if error.code in {"required", "blank", "null"}:
        return _MISSING[str(error.field)]
    return error.detail
