"""Routes of feedback."""

from typing import ClassVar

from rest_framework.permissions import (
    SAFE_METHODS,
    AllowAny,
    BasePermission,
    IsAuthenticated,
    IsAuthenticatedOrReadOnly,
)
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.key_scopes import OPEN, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination
from config.api.views import ListView
from config.errors import PermissionDenied
from events.errors import EventCancelled, EventNotPublished
from events.models import Event
from events.views.access import EventAccess

from .. import services
from ..errors import AlreadyReviewed, FeedbackNotOpen, NotAnAttendee
from ..models import Feedback
from ..permissions import ReadsOrIsAuthor
from ..serializers import FeedbackIn, FeedbackOut


class FeedbackListView(EventAccess, ListView):
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}
    pagination_class = KeysetPagination
    orderings = orderings(("created_at", Ordering("created_at")))

    def get_permissions(self) -> list[BasePermission]:
        return [AllowAny() if self.request.method in SAFE_METHODS else IsAuthenticated()]

    def default_ordering(self, request: Request) -> str:
        return "-created_at"

    def event(self, pk: int) -> Event:
        return self.get_row(self.visible_events(pk), pk=pk)

    @operation("List feedback", responses=FeedbackOut(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """The latest first. Feedback that staff have hidden is left out."""
        feedback = Feedback.objects.filter(event=self.event(pk)).not_hidden()
        return self.page(feedback.for_display(), FeedbackOut)

    @operation(
        "Give feedback",
        request=FeedbackIn,
        responses={201: FeedbackOut},
        raises=[
            EventCancelled,
            EventNotPublished,
            FeedbackNotOpen,
            NotAnAttendee,
            PermissionDenied,
            AlreadyReviewed,
        ],
    )
    def post(self, request: Request, pk: int) -> Response:
        """After the event, once, from an account with a confirmed registration.

        The account's e-mail address has to be confirmed.
        """
        author = current_user(request)
        feedback = services.give_feedback(self.event(pk), author=author, **self.valid(FeedbackIn))
        location = request.build_absolute_uri(f"/api/feedback/{feedback.pk}/")
        return Response(FeedbackOut(feedback).data, status=201, headers={"Location": location})


class FeedbackView(EventAccess):
    permission_classes = (IsAuthenticatedOrReadOnly, ReadsOrIsAuthor)
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}
    sends_etag = True

    @operation("Read feedback", responses=FeedbackOut)
    def get(self, request: Request, pk: int) -> Response:
        return Response(FeedbackOut(self.feedback(pk)).data)

    @operation(
        "Edit my feedback", request=FeedbackIn, responses=FeedbackOut, raises=[PermissionDenied]
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Feedback that staff have hidden cannot be edited."""
        feedback = self.feedback(pk)
        changes = self.valid(FeedbackIn, partial=True)
        return Response(FeedbackOut(services.edit_feedback(feedback, changes)).data)

    @operation("Delete my feedback", responses={204: None}, raises=[PermissionDenied])
    def delete(self, request: Request, pk: int) -> Response:
        """It no longer counts, and I may give another. Hidden feedback cannot be deleted."""
        services.delete_feedback(self.feedback(pk))
        return Response(status=204)

    def feedback(self, pk: int) -> Feedback:
        event_id = Feedback.objects.filter(pk=pk).values_list("event", flat=True)
        is_opened = "key" in self.request.query_params and self.has_key_of(event_id[:1])
        rows = Feedback.objects.visible_to(self.request.user, is_opened=is_opened)
        return self.get_row(rows.for_display(), pk=pk)
