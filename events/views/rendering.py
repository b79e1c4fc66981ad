"""How events are rendered for the render cache of `events/search/page_cache.py`."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request

from config.api.http.negotiation import to_json

from ..models import Event
from ..search.page_cache import Renderer, Rendering
from ..serializers.events import VIEWER_COLUMNS, EventOut, viewer_fields_of_page

GUEST_REQUEST = Request(HttpRequest())
GUEST_REQUEST.user = AnonymousUser()


def _render_for_guests(events: Iterable[Event]) -> Iterable[Rendering]:
    now, serializer = timezone.now(), EventOut(context={"request": GUEST_REQUEST})
    for event in events:
        yield Rendering(
            to_json(serializer.to_representation(event)),
            tuple(event.__dict__[name] for name in VIEWER_COLUMNS),
            event.registration_state_changes_at(now),
        )


FOR_GUESTS = Renderer("json", Event.objects.for_listing, _render_for_guests, VIEWER_COLUMNS)


def renderer_for(viewer: Any) -> Renderer:
    if not viewer.pk:
        return FOR_GUESTS
    return FOR_GUESTS._replace(for_viewer=partial(viewer_fields_of_page, viewer))
