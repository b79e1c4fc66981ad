"""The API against its own OpenAPI document: Schemathesis sends what the document allows and what it
forbids, and runs all its checks on the responses.

Runs are alike each time. `API_EXAMPLES=200` makes a longer, random search.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zlib import crc32

import pytest
import schemathesis
import time_machine
from django.contrib.auth.models import Permission
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as Settings
from schemathesis import BaseSchema, Case
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import ignored_auth

from accounts.links import confirmation_link, reset_link
from accounts.models import User
from accounts.tests.factories import PASSWORD
from accounts.tests.test_links import token_in
from accounts.tokens import open_session
from config.wsgi import application
from events.models import Event
from events.tests.factories import EventFactory, SeriesFactory
from registrations.services import cancel_registration
from registrations.tests.factories import WebhookFactory, registered

NOW = timezone.now()
EXAMPLES = int(os.environ.get("API_EXAMPLES", "0"))

# Refusals of data that are valid by the document, since JSON Schema cannot say the rule.
BUSINESS_CODES = {
    # of the whole request
    "invalid_timezone",
    "invalid_cursor",
    "invalid_or_expired_link",
    "precondition_failed",
    # of a field
    "after_start",
    "before_opening",
    "before_start",
    "in_the_past",
    "invalid_recurrence",
    "nonexistent_time",
    "password_too_weak",
    "unique",
    "unknown_category",
    "unknown_timezone",
    "wrong_password",
}
# What a pattern cannot say of a URL, and events without a role.
WEBHOOK_CODES = {
    "invalid",
    "https_required",
    "port_not_allowed",
    "address_not_allowed",
    "has_credentials",
}
# Questions depend on each other, and on their type.
FORM_CODES = {"invalid", "invalid_choice", "required", "min_value", "max_length"}
# A guest has to send what a user may leave out; one's own account wants the password. Of many
# events the generator makes some with a date and no time, whatever the document says.
ALSO_BUSINESS = {
    # The form of the event, and parties.
    "registerForEvent": {"required", "unknown_question", "max_length", "max_value"},
    "editRegistration": {"unknown_question", "max_length", "max_value", "min_value"},
    "replaceFormOfEvent": FORM_CODES,
    "replaceFormOfSeries": FORM_CODES,
    "setImageOfEvent": {
        "invalid",
        "required",
        "blank",
        "unsupported_media_type",
    },  # no image, spaces
    "deleteUser": {"required"},
    "editSeries": {"invalid_choice"},  # an event of another series
    "createManyEvents": {"required", "conflicting_fields"},
    "createSeries": {"max_value"},  # an end more than a year after the start
    "createApiKey": {"invalid", "max_value"},  # an event without a role, a far expiry
    "editApiKey": {"max_value"},
    "changeRoleOnEvent": {"required"},  # a PATCH that changes nothing
    "changeRoleOnSeries": {"required"},
    "checkIn": {"max_value"},  # a scan in the future
    "undoCheckIn": {"max_value"},
    "checkInMany": {"min_length"},
    "readEventStatistics": {"min_value", "too_many_buckets"},  # an end before the start
    "readMyStatistics": {"min_value"},
    "createWebhook": {*WEBHOOK_CODES, "webhook_limit"},
    "editWebhook": WEBHOOK_CODES,
    "replayWebhook": {"invalid", "cursor_expired", "max_value"},
    "listChanges": {"invalid"},  # both a cursor and from
    # Any text is text, and few are a list of attendees.
    "importAttendees": {"required", "invalid", "min_length", "event_full"},
    "importEvents": {"required", "invalid", "min_length"},
}
# A pattern that JavaScript reads cannot name the letters of every script.
BUSINESS_ERRORS = {("username", "invalid")}
# One without the other, which the document says in words.
GO_TOGETHER = {"near", "radius", "latitude", "longitude"}


@pytest.fixture(autouse=True)
def _one_connection(db) -> Iterator[None]:
    """Requests run in the test's transaction, so nothing may close its connection.

    While Hypothesis thinks up a request, the transaction is idle.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(autouse=True)
def _long_strings_at_once(monkeypatch) -> None:
    """Make strings of thousands of characters as plain text that is then held against the pattern.

    To draw one by its pattern is too much for Hypothesis, which takes half a minute to find that
    out. Schemathesis does so from 8,192 characters on.
    """
    module = "schemathesis.specs.openapi.coverage._schema"
    monkeypatch.setattr(f"{module}.MAX_GENERATED_PATTERN_LENGTH", 4_000)


@pytest.fixture
def document(there: "There") -> BaseSchema:
    loaded = schemathesis.openapi.from_wsgi(
        "/api/schema/?format=json", application, config=SchemathesisConfig()
    )
    loaded.config.generation.update(
        max_examples=EXAMPLES or 5, deterministic=not EXAMPLES, database="none"
    )
    loaded.config.phases.coverage.unexpected_methods = set()  # test_access has them
    loaded.hook("filter_failure")(is_a_fault)
    return loaded


def is_a_fault(context: Any, failure: Failure, case: Case, response: Response) -> bool:
    """Whether a finding stands: all do, but a refusal for business reasons alone."""
    if isinstance(failure, AcceptedNegativeData) and response.status_code == 412:
        return False  # an outdated If-Match is refused before the rest is looked at
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = response.json()
    errors = {(error["field"], error["code"]) for error in problem.get("errors", [])}
    if errors and errors <= BUSINESS_ERRORS:
        return False
    codes = {code for _, code in errors - BUSINESS_ERRORS} or {problem["code"]}
    operation_id = case.operation.definition.raw["operationId"]
    if {field for field, _ in errors} <= GO_TOGETHER:
        codes -= {"required"}
    return not codes <= BUSINESS_CODES | ALSO_BUSINESS.get(operation_id, set())


@dataclass
class There:
    """What is there already: ids by the path that takes them, values by the field that does.

    Where a field means another thing on each route, its name stands behind the path.
    """

    ids: dict[str, list[Any]]
    values: dict[str, Any]

    def aim(self, case: Case) -> None:
        """Point most valid requests at what is there; all would end in 404 and 401 otherwise."""
        if not case.meta.is_negative_at(ParameterLocation.PATH):
            ids = next((ids for path, ids in self.ids.items() if case.path.startswith(path)), [])
            for name, value in case.path_parameters.items():
                case.path_parameters[name] = _one_of([*ids, value], value)
        if isinstance(case.body, dict) and not case.meta.is_negative_at(ParameterLocation.BODY):
            for name, sent in case.body.items():
                known = self.values.get(f"{case.path} {name}", self.values.get(name, sent))
                case.body[name] = _one_of([known, sent], sent)


def _one_of(choices: list[Any], chance: Any) -> Any:
    return choices[crc32(repr(chance).encode()) % len(choices)]


@pytest.fixture
def there(olga: User, ana: User, sam: User) -> There:
    with time_machine.travel(NOW - timedelta(days=10)):
        running = EventFactory(organizer=olga, start_time=NOW - timedelta(hours=1))
        registered(running)
    full = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    confirmed = registered(full, name="Olga", email=olga.email, user=olga)
    waitlisted = registered(full)
    cancelled = registered(full)
    cancel_registration(cancelled)
    events = [
        EventFactory(organizer=olga, meeting_url="https://meet.example.com/1"),
        full,
        running,
        EventFactory(organizer=olga, status=Event.Status.DRAFT),
        EventFactory(organizer=olga, status=Event.Status.CANCELLED),
        EventFactory(organizer=sam),
    ]
    refresh = open_session(olga)["refresh"]
    return There(
        ids={
            "/api/events/": [event.pk for event in events],
            "/api/series/": [SeriesFactory(organizer=olga).pk, SeriesFactory(organizer=sam).pk],
            "/api/users/": [olga.pk, ana.pk, sam.pk],
            "/api/registrations/": [str(row.pk) for row in (confirmed, waitlisted, cancelled)],
            "/api/categories/": ["conference", "workshop"],
            "/api/webhooks/": [WebhookFactory(user=olga).pk],
            "/api/me/sessions/": [str(session.pk) for session in olga.sessions.all()],
        },
        values={
            "email": olga.email,
            "password": PASSWORD,
            "current_password": PASSWORD,
            "refresh": refresh,
            "/api/email/verify/ token": token_in(confirmation_link(olga)),
            "/api/password/reset/confirm/ token": token_in(reset_link(olga)),
            "ticket_code": confirmed.ticket_code,
            "url": "https://8.8.8.8/hook",
            "since": NOW.isoformat(),
            "category": "conference",
            "recurrence": "FREQ=WEEKLY;COUNT=3",
        },
    )


# Streams are served by the web server's event loop, and here is none.
STREAM = "/api/events/{id}/stream/"
api = schemathesis.pytest.from_fixture("document").exclude(path=STREAM)
# Schemathesis does not decompress responses of a WSGI application.
GUEST = {"Accept-Encoding": "identity"}
Headers = dict[str, str]


def _lets_guests_in(context: Any) -> bool:
    return not context.operation.definition.raw["security"]


@api.include(_lets_guests_in).parametrize()
def test_api_keeps_its_document_for_guests_and_everybody_else(
    case: Case,
    there: There,
    organizer_headers: Headers,
    staff_headers: Headers,
    attendee_headers: Headers,
):
    send(case, there, GUEST, others=[organizer_headers, staff_headers, attendee_headers])


@api.exclude(_lets_guests_in).parametrize()
def test_api_keeps_its_document_for_organizers_and_everybody_else(
    case: Case,
    there: There,
    organizer_headers: Headers,
    staff_headers: Headers,
    attendee_headers: Headers,
):
    send(case, there, organizer_headers, others=[staff_headers, attendee_headers])


@api.include(path_regex="^/api/(users|categories)/").parametrize()
def test_api_keeps_its_document_for_staff(case: Case, there: There, staff_headers: Headers):
    send(case, there, staff_headers, others=[])


def send(case: Case, there: There, headers: Headers, others: list[Headers]) -> None:
    """Send a case as one role, and as the other roles too if it is none of the many systematic
    ones, whose responses are mostly the same for them.
    """
    there.aim(case)
    is_systematic = case.meta.phase.name is TestPhase.COVERAGE and not EXAMPLES

    for sent in [headers] if is_systematic else [headers, *others]:
        with no_stored_rows():
            case.call_and_validate(headers=sent)


@pytest.mark.parametrize("role", ["organizer", "staff"])
def test_api_keeps_its_document_from_one_answer_to_the_next(role, request, document: BaseSchema):
    """Links between operations: rows are created, read, edited, deleted and read again."""
    headers = request.getfixturevalue(f"{role}_headers")

    class Walk(document.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            return {"headers": headers}

        def validate_response(self, response: Any, case: Case, **kwargs: Any) -> None:
            # It takes the token for one of its own making, and wants it refused.
            case.validate_response(response, excluded_checks=[ignored_auth], headers=headers)

    Walk.run(
        settings=Settings(
            max_examples=EXAMPLES or 6,
            stateful_step_count=8,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
    )


@pytest.fixture
def organizer_headers(olga: User) -> Headers:
    return bearer(olga)


@pytest.fixture
def attendee_headers(ana: User) -> Headers:
    return bearer(ana)


@pytest.fixture
def staff_headers(sam: User) -> Headers:
    """Of sam with every permission; no superuser, so that permissions decide."""
    sam.user_permissions.set(Permission.objects.all())
    return bearer(sam)


def bearer(user: User) -> Headers:
    return {"Authorization": f"Bearer {open_session(user)['access']}"}


@contextmanager
def no_stored_rows() -> Iterator[None]:
    """Each request meets the same rows, so that what failed can be sent again."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
