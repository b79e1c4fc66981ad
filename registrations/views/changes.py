"""Routes of the log of changes."""

from typing import ClassVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.key_scopes import Scope, Scopes
from config.api.openapi.schema import operation
from config.api.views import ApiView
from config.errors import CursorExpired, FieldError, InvalidCursor, NotFound, ValidationFailed

from ..changes.feed import START, Position, own_event_count, read_changes
from ..changes.rendering import render_changes
from ..models import CHANGE_TYPES
from ..serializers import ChangesOut

MAX_SIZE = 500
DEFAULT_SIZE = 100
MAX_EVENTS = 100
_TYPE_FILTERS = sorted({*CHANGE_TYPES, *(f"{name.partition('.')[0]}.*" for name in CHANGE_TYPES)})


class ChangesView(ApiView):
    tag = "changes"
    permission_classes = (IsAuthenticated,)
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": (Scope.CHANGES_READ,)}
    query_parameters = {"GET": frozenset({"cursor", "from", "event", "type", "page_size"})}
    repeatable_parameters = frozenset({"event", "type"})

    @operation(
        "Follow the changes",
        operation_id="listChanges",
        parameters=[
            OpenApiParameter("cursor", str, description="The `next_cursor` of the last page."),
            OpenApiParameter(
                "from",
                str,
                enum=["start", "now"],
                default="start",
                description="Where to begin without a cursor: the oldest stored change, or now.",
            ),
            OpenApiParameter("event", int, many=True, description="Only changes of these events."),
            OpenApiParameter(
                "type",
                str,
                many=True,
                enum=_TYPE_FILTERS,
                description="Only these types. `registration.*` is all of registrations.",
            ),
            OpenApiParameter(
                "page_size",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_SIZE,
                    "default": DEFAULT_SIZE,
                },
                description="Changes on a page.",
            ),
        ],
        responses=ChangesOut,
        raises=[InvalidCursor, CursorExpired, NotFound],
    )
    def get(self, request: Request) -> Response:
        """The changes of the events and series on which the caller has a role, in order.

        A reader who follows `next_cursor` receives every committed change exactly once. When
        `has_more` is false, ask again later with the same cursor. Changes are stored for 90 days.
        """
        user, size = current_user(request), _read_size(request)
        position, event_ids = _read_position(request, user.pk), _read_events(request)
        if event_ids is not None and own_event_count(user, event_ids) < len(event_ids):
            raise NotFound
        page = read_changes(
            user, position, size=size, event_ids=event_ids, types=_read_types(request)
        )
        return Response(
            {
                "results": render_changes(page.changes, request),
                "next_cursor": page.next.encode(user.pk),
                "has_more": page.has_more,
            }
        )


def _read_position(request: Request, account_id: int) -> Position | None:
    """None is the end of the log. Raises `InvalidCursor` and `ValidationFailed`."""
    cursor, start = request.query_params.get("cursor"), request.query_params.get("from")
    if cursor is not None and start is not None:
        raise _refusal("from", "invalid", "Send either a cursor or from.")
    if cursor is not None:
        return Position.decode(cursor, account_id)
    if start not in {None, "start", "now"}:
        raise _refusal("from", "invalid_choice", "Send start or now.")
    return None if start == "now" else START


def _read_events(request: Request) -> set[int] | None:
    texts = request.query_params.getlist("event")
    if not texts:
        return None
    if len(texts) > MAX_EVENTS:
        raise _refusal("event", "max_length", f"Send at most {MAX_EVENTS} events.")
    if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts):
        raise _refusal("event", "invalid", "Send the id of an event.")
    return set(map(int, texts))


def _read_types(request: Request) -> set[str] | None:
    texts = request.query_params.getlist("type")
    if not texts:
        return None
    selected: set[str] = set()
    for text in texts:
        prefix = f"{text.removesuffix('.*')}." if text.endswith(".*") else None
        matches = {
            name
            for name in CHANGE_TYPES
            if name == text or (prefix is not None and name.startswith(prefix))
        }
        if not matches:
            raise _refusal("type", "invalid_choice", f"Send one of {', '.join(CHANGE_TYPES)}.")
        selected |= matches
    return selected


def _read_size(request: Request) -> int:
    text = request.query_params.get("page_size", str(DEFAULT_SIZE))
    problem = f"Send a whole number from 1 to {MAX_SIZE}."
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _refusal("page_size", "invalid", problem)
    if not 1 <= int(text) <= MAX_SIZE:
        raise _refusal("page_size", "max_value" if int(text) else "min_value", problem)
    return int(text)


def _refusal(field: str, code: str, detail: str) -> ValidationFailed:
    return ValidationFailed(FieldError(field, code, detail))
