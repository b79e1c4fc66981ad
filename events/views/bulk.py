from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.http.work_slots import ROWS
from config.api.key_scopes import Scope, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.paginator import read_flag
from config.api.views import ApiView

from .. import services
from ..errors import OrganizerRoleRequired
from ..permissions import MayOrganize
from ..serializers.bulk import EventBulkIn, EventBulkOut


class EventBulkView(ApiView):
    permission_classes = (MayOrganize,)
    query_parameters: ClassVar[dict[str, frozenset[str]]] = {"POST": frozenset({"partial"})}
    key_scopes: ClassVar[dict[str, Scopes]] = {"POST": (Scope.EVENTS_WRITE,)}
    throttle_scopes: ClassVar[dict[str, str]] = {"POST": "bulk"}

    @operation(
        "Create many events",
        parameters=[OpenApiParameter("partial", bool, description="As in the body.")],
        request=EventBulkIn,
        responses={201: EventBulkOut},
        raises=[OrganizerRoleRequired],
    )
    def post(self, request: Request) -> Response:
        """Up to 1,000 events, by the rules for a single one. A bare array is read as `events`.

        If one row is invalid, no event is created, and `errors` has the fields of all invalid rows
        as `events.<index>.<field>`. With `partial`, the valid rows are created. `results` has the
        result of each row, in order.
        """
        with ROWS.one():
            values = self.valid(EventBulkIn)
            partial = values["partial"] or read_flag(request, "partial")
            organizer = current_user(request)
            outcomes = services.create_events(organizer, values["events"], partial=partial)
            body: Any = EventBulkOut(outcomes, context=self.get_serializer_context()).data
        location = request.build_absolute_uri("/api/me/events/")
        return Response(body, status=201, headers={"Location": location})
