"""API keys. They are restricted to events, so this app has their routes."""

from typing import Any, ClassVar

from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services as account_services
from accounts.authentication import current_user
from accounts.errors import KeyLimit
from accounts.models import ApiKey
from accounts.serializers import (
    CurrentKeyOut,
    FoundKeyIn,
    KeyEditIn,
    KeyIn,
    KeyOut,
    NewKeyOut,
    RotationIn,
)
from config.api.key_scopes import OPEN, Scopes, key_of
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination
from config.api.views import ApiView, ListView
from config.errors import NotFound

from ..services.keys import check_events_of_key


class KeysView(ApiView):
    """The base of the routes for one's own keys."""

    tag = "API keys"
    shown_elsewhere = (NewKeyOut,)

    def key(self, pk: int) -> ApiKey:
        return self.get_row(current_user(self.request).keys.existing(), pk=pk)

    def secret_response(self, key: ApiKey, secret: str, **kwargs: Any) -> Response:
        """The key with its text, which no later response has."""
        key.key = secret  # type: ignore[attr-defined]  # a field of `NewKeyOut`
        return Response(NewKeyOut(key).data, **kwargs)


class KeyListView(ListView, KeysView):
    stores_responses = False
    throttle_scopes = {"POST": "login"}  # its response reveals whether a password is right
    pagination_class = KeysetPagination
    orderings = orderings(("created_at", Ordering("created_at")))

    def default_ordering(self, request: Request) -> str:
        return "-created_at"

    @operation("List my API keys", responses=KeyOut(many=True))
    def get(self, request: Request) -> Response:
        """The keys that were not revoked, expired ones too. The text of a key is not stored."""
        return self.page(current_user(request).keys.existing(), KeyOut)

    @operation("Create an API key", request=KeyIn, responses={201: NewKeyOut}, raises=[KeyLimit])
    def post(self, request: Request) -> Response:
        """The response has the key, which is shown here alone. Needs the password.

        A key has the rights of its owner at the time of a request, restricted to its scopes and
        events. At most 25 keys work at a time. Repetitions with an Idempotency-Key are not
        recognized, since the response is not stored.
        """
        user, values = current_user(request), self.valid(KeyIn)
        check_events_of_key(user, values["events"])
        key, secret = account_services.create_key(user, **values)
        location = request.build_absolute_uri(f"/api/me/keys/{key.pk}/")
        return self.secret_response(key, secret, status=201, headers={"Location": location})


class KeyView(KeysView):
    @operation("Edit an API key", request=KeyEditIn, responses=KeyOut)
    def patch(self, request: Request, pk: int) -> Response:
        """The name, or fewer rights: scopes and events are removed, and the expiry is earlier."""
        key, changes = self.key(pk), self.valid(KeyEditIn, partial=True)
        check_events_of_key(current_user(request), changes.get("events"), known=key.events)
        return Response(KeyOut(account_services.edit_key(key, changes)).data)

    @operation("Revoke an API key", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Takes effect at once."""
        account_services.revoke_key(self.key(pk))
        return Response(status=204)


class KeyRotationView(KeysView):
    stores_responses = False

    @operation("Rotate an API key", request=RotationIn, responses={200: NewKeyOut})
    def post(self, request: Request, pk: int) -> Response:
        """Another text for the same key, with the same rights and expiry.

        The former text works for `overlap_hours` as well. A second rotation ends the one before.
        """
        key = self.key(pk)
        return self.secret_response(*account_services.rotate_key(key, **self.valid(RotationIn)))


class CurrentKeyView(ApiView):
    """Not below `/api/me/`, which is closed to keys."""

    tag = "API keys"
    permission_classes = (AllowAny,)
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}
    is_personal = True

    @operation("Read the API key of the request", responses=CurrentKeyOut, raises=[NotFound])
    def get(self, request: Request) -> Response:
        """What the key that makes the request may do. 404 for other callers."""
        if key_of(request.user) is None:
            raise NotFound("The request was not made with an API key.")
        return Response(CurrentKeyOut(current_user(request).key).data)


class KeyRevocationView(ApiView):
    tag = "API keys"
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @operation("Revoke a found API key", request=FoundKeyIn, responses={204: None})
    def post(self, request: Request) -> Response:
        """For whoever finds a key. The response is the same for every text.

        A key that works is revoked, and its owner is notified.
        """
        account_services.revoke_found_key(self.valid(FoundKeyIn)["key"])
        return Response(status=204)
