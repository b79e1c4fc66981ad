"""The image of an event."""

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.files.uploads import Upload, file_parsers, read_content
from config.api.http.body_limits import MAX_IMAGE_BYTES
from config.api.http.negotiation import OCTETS
from config.api.http.strict_bodies import validate_body
from config.api.http.work_slots import IMAGES
from config.api.key_scopes import Scope, Scopes
from config.api.openapi.schema import operation
from config.errors import PermissionDenied

from .. import services
from ..errors import EventCancelled, ImageTooLarge
from ..images.encoding import MEDIA_TYPES
from ..models import Event, Right
from ..permissions import IsOrganizerOrStaff
from ..serializers.events import EventOut
from ..serializers.images import FORM_EXAMPLE, EventImageAltIn, EventImageIn
from .access import EventAccess
from .events import event_response


class EventImageView(EventAccess):
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    parser_classes = file_parsers(*MEDIA_TYPES, OCTETS, max_bytes=MAX_IMAGE_BYTES)
    staff_permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ("PUT", "DELETE"), "events.change_event"
    )
    needed_rights: ClassVar[dict[str, str]] = dict.fromkeys(("PUT", "DELETE"), Right.EDIT)
    key_scopes: ClassVar[dict[str, Scopes]] = dict.fromkeys(
        ("PUT", "DELETE"), (Scope.EVENTS_WRITE,)
    )
    throttle_scopes: ClassVar[dict[str, str]] = {"PUT": "image"}
    query_parameters: ClassVar[dict[str, frozenset[str]]] = {"PUT": frozenset({"alt"})}
    if_match_methods = ("PUT", "DELETE")
    sends_etag = True

    @operation(
        "Set the image of an event",
        parameters=[
            OpenApiParameter(
                "alt",
                {"type": "string", "minLength": 1, "maxLength": 500},
                description="What it shows. For a body that is the image.",
            )
        ],
        request={
            "multipart/form-data": OpenApiRequest(
                EventImageIn, examples=[OpenApiExample("Form", FORM_EXAMPLE)]
            ),
            **{name: OpenApiRequest(OpenApiTypes.BINARY) for name in (*MEDIA_TYPES, OCTETS)},
        },
        responses=EventOut,
        raises=[PermissionDenied, EventCancelled, ImageTooLarge],
    )
    def put(self, request: Request, pk: int) -> Response:
        """A form with `image` and `alt`, or the bytes with `?alt=…`. Replaces the former image.

        JPEG, PNG or WebP, at most 8 MB and 40 megapixels. It is encoded anew as WebP in three
        widths, upright and without metadata such as the place. Each upload has new addresses.
        """
        event = self._event(pk)
        content, alt = self._upload()
        with IMAGES.one():
            event = services.set_image(
                event, content, alt=alt, expected_versions=self.expected_version()
            )
        self.etag_version = event.edit_tag
        return event_response(self, event)

    @operation("Remove the image of an event", responses={204: None}, raises=[PermissionDenied])
    def delete(self, request: Request, pk: int) -> Response:
        """An event without an image stays unchanged."""
        services.remove_image(self._event(pk), expected_versions=self.expected_version())
        return Response(status=204)

    def _event(self, pk: int) -> Event:
        return self.get_row(self.visible_events(pk).for_display(), pk=pk)

    def _upload(self) -> tuple[bytes, str]:
        """The image and its description. Raises `ValidationFailed`, `PayloadTooLarge`."""
        data: Any = self.request.data
        if isinstance(data, Upload):
            parameters = self.request.query_params
            query = {"alt": parameters["alt"]} if "alt" in parameters else {}
            return data.content, validate_body(EventImageAltIn(), query)["alt"]
        form = self.valid(EventImageIn)
        return read_content(form["image"], MAX_IMAGE_BYTES), form["alt"]
