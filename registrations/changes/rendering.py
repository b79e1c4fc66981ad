"""The objects of changes, as their GET answers the caller now.

One query for each kind, one for the roles on its events or series, and one for the events of
registrations.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from uuid import UUID

from rest_framework.request import Request

from config.api.key_scopes import Scope, has_scope, key_of
from config.api.text.instants import instant_formatter
from events.models import (
    Event,
    Right,
    Series,
    TeamMember,
    has_right,
    remember_roles,
    sees_details,
)
from events.serializers.events import EventOut
from events.serializers.series import SeriesOut
from events.serializers.team import MemberOut

from ..forms.documents import form_document
from ..forms.questions import questions_of
from ..models import Change, Feedback, Message, OptionLimit, Registration
from ..models.registration_queryset import ERASED_DOMAIN
from ..permissions import reads_registrations
from ..serializers import FeedbackOut, MessageOut, RegistrationOut, short_registration

Data = dict[str, dict[str, Any]]
"""By the id of the object, as text."""


def render_changes(changes: list[Change], request: Request) -> list[dict[str, Any]]:
    ids: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        ids[_kind(change)].add(change.object_id)
    key = key_of(request.user)
    if key is not None:  # as for a GET of the object
        key.sees_own = has_scope(key, (Scope.EVENTS_READ,))
    data = {kind: _RENDERERS[kind](of_kind, request) for kind, of_kind in ids.items()}
    format_instant = instant_formatter()
    rendered = []
    for change in changes:
        content = data[_kind(change)].get(change.object_id)
        is_named = change.kind != "registration" or _shows_person(content)
        rendered.append(
            {
                "id": f"chg_{change.position}",
                "type": change.type,
                "at": format_instant(change.at),
                "event": change.event_id,
                "object": {
                    "kind": change.kind,
                    "id": change.object_id
                    if change.kind == "registration"
                    else int(change.object_id),
                },
                "sequence": change.position,
                "actor": {
                    "kind": change.actor_kind,
                    "id": change.actor_id if is_named else None,
                    "on_behalf_of": change.on_behalf_of if is_named else None,
                },
                "reason": change.reason,
                "data": content,
            }
        )
    return rendered


def _shows_person(content: dict[str, Any] | None) -> bool:
    """Whether the caller sees the registered person, and the person is not erased.

    That person may be the actor.
    """
    email = (content or {}).get("email")
    return email is not None and not email.endswith(ERASED_DOMAIN)


def _kind(change: Change) -> str:
    """The kind that `_RENDERERS` has. Team and form of a series have the id of the series."""
    is_of_series = change.kind in {"team", "form"} and change.event_id is None
    return f"series {change.kind}" if is_of_series else change.kind


def _events(ids: Iterable[str], request: Request) -> Data:
    rows = Event.objects.visible_to(request.user).for_display().filter(pk__in=map(int, ids))
    remember_roles(request.user, rows)
    render = EventOut(context={"request": request}).to_representation
    return {str(row.pk): render(row) for row in rows}


def _series(ids: Iterable[str], request: Request) -> Data:
    rows = Series.objects.visible_to(request.user).for_display().filter(pk__in=map(int, ids))
    remember_roles(request.user, rows)
    render = SeriesOut(context={"request": request}).to_representation
    return {str(row.pk): render(row) for row in rows}


def _registrations(ids: Iterable[str], request: Request) -> Data:
    """An event is read once, since a page often has many of its registrations."""
    rows = Registration.objects.existing().for_display().filter(pk__in=map(UUID, ids))
    rows = rows.select_related(None).prefetch_related("event")
    events = {row.event_id: row.event for row in rows}
    remember_roles(request.user, events.values())
    renderers = {pk: _registration_renderer(event, request) for pk, event in events.items()}
    return {str(row.pk): renderers[row.event_id](row) for row in rows}


def _registration_renderer(
    event: Event, request: Request
) -> Callable[[Registration], dict[str, Any]]:
    """Renders registrations of the event as the caller may see them."""
    if not (reads_registrations(request) and _has_people(request, event)):
        return short_registration
    context = {"request": request, "hides_meeting_url": not sees_details(request.user, event)}
    return RegistrationOut(context=context).to_representation


def _feedback(ids: Iterable[str], request: Request) -> Data:
    rows = Feedback.objects.visible_to(request.user).for_display().filter(pk__in=map(int, ids))
    return {str(row.pk): dict(FeedbackOut(row, context={"request": request}).data) for row in rows}


def _messages(ids: Iterable[str], request: Request) -> Data:
    key = key_of(request.user)
    if key is not None and not has_scope(key, (Scope.MESSAGES_WRITE,)):
        return {}
    rows = Message.objects.filter(event__deleted_at=None, pk__in=map(int, ids))
    rows = rows.for_display().select_related("event")
    remember_roles(request.user, [row.event for row in rows])
    return {
        str(row.pk): dict(MessageOut(row, context={"request": request}).data)
        for row in rows
        if _has_people(request, row.event)
    }


def _teams(ids: Iterable[str], request: Request, model: type[Event] | type[Series]) -> Data:
    """Lists of members, as `GET …/team/` has them, with pending transfers. Closed to keys."""
    if key_of(request.user) is not None:
        return {}
    name = str(model._meta.model_name)
    rows: Any = model.objects.existing().filter(pk__in=map(int, ids))
    remember_roles(request.user, rows)
    leads = {row.pk: has_right(request.user, Right.TEAM, row) for row in rows}
    members: dict[int, list[TeamMember]] = {pk: [] for pk in leads}
    of_rows = TeamMember.objects.filter(**{f"{name}__in": leads})
    for member in of_rows.select_related("user").order_by("created_at", "pk"):
        pk = getattr(member, f"{name}_id")
        if leads[pk] or member.user_id == request.user.pk:
            members[pk].append(member)
    return {
        str(pk): {"results": MemberOut(of_row, many=True).data} for pk, of_row in members.items()
    }


def _forms(ids: Iterable[str], request: Request, model: type[Event] | type[Series]) -> Data:
    rows: Any = model.objects.visible_to(request.user).filter(pk__in=map(int, ids))
    rows = list(rows.select_related("form"))
    taken: dict[int, dict[tuple[str, str], int]] = {row.pk: {} for row in rows}
    if model is Event:
        for limit in OptionLimit.objects.filter(event__in=taken):
            taken[limit.event_id][limit.key, limit.value] = limit.taken
    return {
        str(row.pk): form_document(
            questions_of(row.form), taken[row.pk] if model is Event else None
        )
        for row in rows
    }


def _has_people(request: Request, event: Event) -> bool:
    """Whether the caller's role includes people. A key's scopes are checked apart."""
    key = key_of(request.user)
    if key is None:
        return has_right(request.user, Right.PEOPLE, event)
    before, key.sees_own = key.sees_own, True
    try:
        return has_right(request.user, Right.PEOPLE, event)
    finally:
        key.sees_own = before


_RENDERERS: dict[str, Callable[[Iterable[str], Request], Data]] = {
    "event": _events,
    "series": _series,
    "registration": _registrations,
    "feedback": _feedback,
    "message": _messages,
    "team": partial(_teams, model=Event),
    "series team": partial(_teams, model=Series),
    "form": partial(_forms, model=Event),
    "series form": partial(_forms, model=Series),
}
