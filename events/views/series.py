"""Routes of series and their occurrences."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.http.dry_runs import can_run_dry
from config.api.http.strict_bodies import NoFields
from config.api.key_scopes import OPEN, Scope, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination, read_flag
from config.api.permissions import has_right_for
from config.api.text.folding import alphabetical
from config.api.views import ApiView, ListView
from config.errors import InsufficientScope, NotAuthenticated, PermissionDenied

from .. import services
from ..errors import CapacityBelowRegistered, EventStarted, OrganizerRoleRequired, RoleTooLow
from ..models import Right, Series, has_right, remember_roles
from ..permissions import IsOrganizerOrStaff, MayOrganize, ReadsOrManagesEvent
from ..search.series_filters import SeriesFilter, series_for_listing
from ..serializers.series import SeriesEditIn, SeriesIn, SeriesOut, SeriesPreviewOut
from .dry_runs import observe_series


class SeriesListView(ListView):
    is_compressed = True
    tag = "series"
    query_parameters: ClassVar[dict[str, frozenset[str]]] = {"POST": frozenset({"dry_run"})}
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN, "POST": (Scope.EVENTS_WRITE,)}
    filter_backends = [DjangoFilterBackend]
    filterset_class = SeriesFilter
    pagination_class = KeysetPagination
    queryset = Series.objects.none()  # for the OpenAPI document
    orderings = orderings(
        ("created_at", Ordering("created_at")),
        ("start_time", Ordering("start_time")),
        ("name", Ordering("name_key", expression=alphabetical("name"))),
    )

    def get_permissions(self) -> list[BasePermission]:
        return [MayOrganize() if self.request.method == "POST" else AllowAny()]

    def default_ordering(self, request: Request) -> str:
        return "-created_at"

    def paginate_queryset(self, queryset: Any) -> Any:
        rows = super().paginate_queryset(queryset)
        remember_roles(self.request.user, rows or [])
        return rows

    @operation(
        "List series", responses=SeriesOut(many=True), raises=[NotAuthenticated, InsufficientScope]
    )
    def get(self, request: Request) -> Response:
        """Series with an upcoming public event, the newest first."""
        return self.page(series_for_listing(), SeriesOut)

    @operation(
        "Create a series of events",
        operation_id="createSeries",
        parameters=[
            OpenApiParameter("dry_run", bool, description="Return the occurrences; write nothing.")
        ],
        request=SeriesIn,
        responses={200: SeriesPreviewOut, 201: SeriesOut},
        raises=[OrganizerRoleRequired],
    )
    def post(self, request: Request) -> Response:
        """Each occurrence is an event with its own seats and registrations.

        Their wall-clock time is the same all year. A time that the clocks skip moves forward by the
        gap. The first occurrence is the first one of the rule: with a start on a Tuesday and a rule
        for Mondays, it is on the following Monday.
        """
        values = self.valid(SeriesIn)
        if read_flag(request, "dry_run"):
            events = services.preview_series(current_user(request), **values)
            return Response(SeriesPreviewOut(events).data)
        series = services.create_series(current_user(request), **values)
        location = request.build_absolute_uri(f"/api/series/{series.pk}/")
        return _series_response(self, series, status=201, headers={"Location": location})


class SeriesView(ApiView):
    is_compressed = True
    tag = "series"
    permission_classes = (ReadsOrManagesEvent,)
    staff_permissions: ClassVar[dict[str, str]] = {
        "PATCH": "events.change_series",
        "DELETE": "events.delete_series",
    }
    needed_rights: ClassVar[dict[str, str]] = {"PATCH": Right.EDIT, "DELETE": Right.DELETE}
    key_scopes: ClassVar[dict[str, Scopes]] = {
        "GET": OPEN,
        **dict.fromkeys(("PATCH", "DELETE"), (Scope.EVENTS_WRITE,)),
    }
    sends_etag = True
    if_match_methods = ("PATCH", "DELETE")

    @operation("Read a series", responses=SeriesOut)
    def get(self, request: Request, pk: int) -> Response:
        """The values of its coming events. `events_url` lists the events."""
        return _series_response(self, self._series(pk))

    @can_run_dry(observe_series)
    @operation(
        "Edit a series",
        request=SeriesEditIn,
        responses=SeriesOut,
        raises=[PermissionDenied, RoleTooLow, CapacityBelowRegistered, EventStarted],
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Changes the fields that are sent, for future occurrences that were not edited by hand.

        Cancelled and started ones stay as they are. With `from_event` that one and later ones are
        changed. Another start, end or zone moves all of them by the same difference on the clock,
        with their registrations; COUNT, UNTIL and the days of the rule move along. Only
        `recurrence` and `exdates` remove an occurrence, or cancel it if it has registrations, which
        is not for editors.
        """
        self.series = self._series(pk)
        changes = self.valid(SeriesEditIn, partial=True)
        series = services.edit_series(
            self.series,
            changes,
            from_event=changes.pop("from_event", None),
            keep_local_time=changes.pop("keep_local_time", False),
            expected_versions=self.expected_version(),
            may_cancel=self._may_cancel(),
        )
        return _series_response(self, series)

    @can_run_dry(observe_series)
    @operation("Delete a series", responses={204: None}, raises=[PermissionDenied])
    def delete(self, request: Request, pk: int) -> Response:
        """Coming events that have registrations are cancelled, the others removed."""
        services.end_series(self._series(pk), expected_versions=self.expected_version())
        return Response(status=204)

    def _may_cancel(self) -> bool:
        is_allowed = has_right(self.request.user, Right.CANCEL, self.series)
        return is_allowed or has_right_for(self.request, self)

    def _series(self, pk: int) -> Series:
        return self.get_row(_visible(self).select_related("organizer", "category"), pk=pk)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "event": getattr(self, "series", None)}


class SeriesPublishView(ApiView):
    tag = "series"
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "events.change_series"}
    needed_rights: ClassVar[dict[str, str]] = {"POST": Right.EDIT}
    key_scopes: ClassVar[dict[str, Scopes]] = {"POST": (Scope.EVENTS_WRITE,)}

    @can_run_dry(observe_series)
    @operation(
        "Publish a series",
        request=None,
        responses=SeriesOut,
        raises=[PermissionDenied],
    )
    def post(self, request: Request, pk: int) -> Response:
        """With its coming events. A published series stays unchanged."""
        series = self.get_row(_visible(self), pk=pk)
        self.valid(NoFields)
        return _series_response(self, services.publish_series(series))

    def check_replay(self, **kwargs: Any) -> None:
        self.get_row(_visible(self), pk=kwargs["pk"])


def _visible(view: ApiView) -> QuerySet[Series]:
    return Series.objects.visible_to(view.request.user, *view.needed_permissions)


def _series_response(view: ApiView, series: Series, **kwargs: Any) -> Response:
    view.etag_version = series.edit_tag
    row = Series.objects.for_display().get(pk=series.pk)
    return Response(SeriesOut(row, context=view.get_serializer_context()).data, **kwargs)
