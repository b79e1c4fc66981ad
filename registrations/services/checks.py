"""The order in which a request to register is checked, in every registration mode.

First whether the caller may see the event, and its mode. Then the size of the party, its answers,
the times of registering, the code, another registration of the address, the version of the form,
the capacity, the options, the uses of the code, and free seats or places in the queue. A mode
leaves out what it does not need.
"""

from datetime import datetime

from events.models import Event, RegistrationMode

from ..errors import AlreadyRegistered
from .answering import Answered, read_answers
from .eligibility import (
    AdmissionNeeded,
    check_fits_capacity,
    check_has_place,
    check_is_open,
    check_is_visible,
    check_party_size,
)
from .requests import RegistrationRequest


def check_may_register(
    event: Event,
    request: RegistrationRequest,
    now: datetime,
    *,
    is_registered: bool,
    answered: Answered | None,
) -> Answered:
    """The answers of the request, as by `check_event`.

    Raises the first error that prevents a registration at once.
    """
    answered = check_event(event, request, now, answered)
    check_party(event, request, answered, is_registered=is_registered)
    answered.check_options(event)
    check_has_place(event, request.party_size)
    return answered


def check_event(
    event: Event, request: RegistrationRequest, now: datetime, answered: Answered | None = None
) -> Answered:
    """The answers of the request. They are read here, unless they were before.

    Raises the errors of `check_access`, `ValidationFailed`, and those of `check_is_open`.
    """
    check_access(event, request)
    if not request.was_accepted:  # an accepted party stays as large as it is
        check_party_size(event, request.party_size)
    answered = answered or read_answers(event, request, now)
    check_is_open(event, now)
    return answered


def check_access(event: Event, request: RegistrationRequest) -> None:
    """Raises `NotFound`, `AdmissionNeeded`."""
    check_is_visible(event, request.viewer, is_opened=request.is_opened)
    if event.needs_admission and not request.skips_mode:
        raise AdmissionNeeded(RegistrationMode(event.registration_mode))


def check_party(
    event: Event, request: RegistrationRequest, answered: Answered, *, is_registered: bool
) -> None:
    """Raises `AlreadyRegistered`, `FormChanged`, `PartyTooLarge`."""
    if is_registered:
        raise AlreadyRegistered
    answered.check_version(event)
    check_fits_capacity(event, request.party_size)
