"""`?dry_run=true`: the real work of a request, in a transaction that is rolled back.

A view's method is decorated with `can_run_dry(observe)`. `observe(view, **kwargs)` is called before
the work, and returns a function that is called after it and returns what the work would change.
Nothing remains: rows, mails, jobs and audit entries are rolled back, rate limits do not count, and
no response is stored for an Idempotency-Key.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar
from uuid import uuid4

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from config.errors import FieldError, ValidationFailed

from ..effects import collected_effects
from ..request_ids import current_request_id, request_in_progress
from .rate_limits import without_counting

F = TypeVar("F", bound=Callable[..., Any])

#: The codes of warnings. The list is closed.
WARNINGS = {
    "starts_within_a_day": "An event that is changed starts within a day.",
    "tells_many": "More than 1,000 mails would be sent.",
    "overlaps_own_event": "The organizer has another event at the same time.",
    "closes_registration_now": "Registration is open now, and would be closed.",
    "edits_hand_edited": "Occurrences that were edited by hand would change as well.",
    "queue_blocked": "Seats would be free while people are on the waitlist.",
    "people_stay_pending": "People who wait for a decision would stay pending.",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What the work would change. `mails` are numbers by kind, `warnings` are codes."""

    changed: list[dict[str, Any]] = field(default_factory=list)
    mails: dict[str, int] = field(default_factory=dict)
    reminders: dict[str, int] = field(default_factory=lambda: {"moved": 0, "dropped": 0})
    warnings: list[str] = field(default_factory=list)


#: Called after the work with its response.
Observed = Callable[[Response], Report]


def can_run_dry(
    observe: Callable[..., Observed], *, count: Callable[[Request], None] | None = None
) -> Callable[[F], F]:
    """Lets a view's method run dry. It goes above `@operation`.

    `count` counts a dry run against a rate limit, where its result reveals something.
    """

    def decorate(handler: F) -> F:
        @wraps(handler)
        def handle(view: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
            if not runs_dry(view, request):
                return handler(view, request, *args, **kwargs)
            view.sends_etag = False  # its version never exists
            if count is not None:  # inside, nothing is counted
                count(request)
            return _run_dry(view, observe, handler, request, *args, **kwargs)

        handle.takes_dry_run = True  # type: ignore[attr-defined]
        return handle  # type: ignore[return-value]

    return decorate


def takes_dry_run(view: Any, method: str | None) -> bool:
    return getattr(getattr(type(view), str(method).lower(), None), "takes_dry_run", False)


def runs_dry(view: Any, request: Request) -> bool:
    """Raises `ValidationFailed` for a value that is neither true nor false."""
    text = request.query_params.get("dry_run")
    if text is None or not takes_dry_run(view, request.method):
        return False
    if text.lower() not in {"true", "false", "1", "0"}:
        raise ValidationFailed(FieldError("dry_run", "invalid", "Send true or false."))
    return text.lower() in {"true", "1"}


def changed_fields(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"field": name, "from": before[name], "to": after[name]}
        for name in before
        if name in after and before[name] != after[name]
    ]


def _run_dry(
    view: Any, observe: Callable[..., Observed], handler: Any, request: Request, **kwargs: Any
) -> Response:
    # Rows with this id are those of the dry run.
    own_id = f"dry-run-{uuid4().hex}"
    with (
        transaction.atomic(),
        without_counting(),
        request_in_progress(own_id, dry_run_of=current_request_id()),
        collected_effects() as effects,
    ):
        report_after = observe(view, **kwargs)
        response = handler(view, request, **kwargs)
        body = _body(response, report_after(response), effects)
        transaction.set_rollback(True)
    return Response(body)


def _body(response: Response, report: Report, effects: Counter[str]) -> dict[str, Any]:
    return {
        "dry_run": True,
        "result": response.data,
        "effects": {
            "changed": report.changed,
            "promoted": effects["promoted"],
            "cancelled": effects["cancelled"],
            "mails": report.mails,
            "reminders": report.reminders,
        },
        "warnings": [{"code": code, "detail": WARNINGS[code]} for code in report.warnings],
    }
