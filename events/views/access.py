"""The routes of one event, which an unlisted event opens to requests with its key."""

from collections.abc import Callable
from typing import Any

from rest_framework.request import Request

from config.api.views import ApiView

from ..models import Event, EventQuerySet
from ..services import is_key_of


class EventAccess(ApiView):
    """The base of views of one event. They take `?key=`, which public events ignore.

    Without its key, an unlisted event is 404 for those who have neither a role nor a place on it.
    """

    takes_event_key = True

    def known_parameters(self, method: str) -> frozenset[str]:
        return super().known_parameters(method) | {"key"}

    def visible_events(self, pk: int) -> EventQuerySet:
        """The events that the caller sees, if the request has the key of this one."""
        return Event.objects.visible_to(
            self.request.user, *self.needed_permissions, is_opened=self.has_key_of(pk)
        )

    def check_replay(self, **kwargs: Any) -> None:
        """The right that the POST needs, if it needs one. Registering needs none."""
        if "POST" in self.needed_rights:
            self.get_row(self.visible_events(kwargs["pk"]), pk=kwargs["pk"])

    def get_event_by_id(
        self, pk: int, complete: Callable[[EventQuerySet], EventQuerySet] = EventQuerySet.all
    ) -> Event:
        """The event by a compiled query, unless the request has a key.

        `complete` selects columns. Raises `NotFound`, and checks object permissions.
        """
        if "key" in self.request.query_params:
            return self.get_row(complete(self.visible_events(pk)), pk=pk)
        variant = complete.__qualname__
        return self.get_row_by_id(lambda: complete(self.visible_events(pk)), pk, variant)

    def has_key_of(self, pk: Any) -> bool:
        """Whether the request has the key of an event, by its id or a query of it."""
        return is_key_of(self.request.query_params.get("key"), pk)

    def may_compress(self) -> bool:
        """False for requests with a key: the response has links with it."""
        return "key" not in self.request.query_params and super().may_compress()

    def _cache_control(self, request: Request) -> str:
        control = super()._cache_control(request)
        if control == "no-cache" and "key" in request.query_params:
            return "private, no-cache"
        return control
