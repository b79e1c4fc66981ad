"""What dry runs of changes of registrations, and of messages, would do."""

from typing import Any
from uuid import UUID

from rest_framework.response import Response

from config.api.http.dry_runs import Observed, Report, changed_fields
from config.api.views import ApiView
from events.views.dry_runs import EventChanges

from ..models import Registration
from ..permissions import reads_registrations

_FIELDS = ("name", "email", "status", "party_size", "guests", "answers", "show_name")


def observe_registration(view: ApiView, pk: UUID) -> Observed:
    row = Registration.objects.filter(pk=pk).only("event_id", *_FIELDS).first()
    before = _fields(row)
    changes = EventChanges([] if row is None else [row.event_id])

    def report(response: Response) -> Report:
        after = Registration.objects.filter(pk=pk).only(*_FIELDS).first()
        changed = changed_fields(before, _fields(after))
        if not reads_registrations(view.request):
            changed = [change for change in changed if change["field"] == "status"]
        return changes.report(changed)

    return report


def observe_decisions(view: ApiView, pk: int) -> Observed:
    changes = EventChanges([pk])

    def report(response: Response) -> Report:
        outcomes = response.data["results"]
        pending = any(row["status"] == Registration.Status.PENDING for row in outcomes)
        return changes.report([], leaves_pending=pending)

    return report


def observe_message(view: ApiView, pk: int) -> Observed:
    changes = EventChanges([pk])
    return lambda response: changes.report([])


def _fields(row: Registration | None) -> dict[str, Any]:
    return {} if row is None else {name: getattr(row, name) for name in _FIELDS}
