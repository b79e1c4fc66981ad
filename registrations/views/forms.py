"""The forms of events and series, and what people answered."""

from typing import Any, ClassVar

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.http.work_slots import ROWS
from config.api.key_scopes import OPEN, Scope, Scopes
from config.api.openapi.schema import operation
from config.api.views import ApiView
from config.errors import PermissionDenied
from events.errors import EventCancelled
from events.models import Event, Right, Series
from events.permissions import IsOrganizerOrStaff, ReadsOrManagesEvent
from events.views.access import EventAccess

from ..errors import LimitBelowTaken, QuestionInUse
from ..forms.documents import form_document
from ..forms.questions import questions_of
from ..forms.schema import answers_schema
from ..serializers import AnswersSchemaOut, FormIn, FormOut, FormSummaryOut
from ..services.forms import form_tag, put_form, put_series_form
from ..services.option_limits import taken_by_option
from ..statistics.answers import answer_summary


class FormView(ApiView):
    """The base of the forms of events and of series."""

    tag = "registrations"
    permission_classes: Any = (ReadsOrManagesEvent,)
    needed_rights: ClassVar[dict[str, str]] = {"PUT": Right.EDIT}
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN, "PUT": (Scope.EVENTS_WRITE,)}
    sends_etag = True
    if_match_methods = ("PUT",)

    def series(self, pk: int) -> Series:
        rows = Series.objects.visible_to(self.request.user, *self.needed_permissions)
        return self.get_row(rows.select_related("form", "organizer"), pk=pk)

    def form_response(self, row: Event | Series) -> Response:
        self.etag_version = form_tag(row)
        taken = taken_by_option(row.pk) if isinstance(row, Event) and row.form_id else None
        return Response(FormOut(form_document(questions_of(row.form), taken)).data)


class OfEvent(EventAccess, FormView):
    """The base of those of one event."""

    def event(self, pk: int) -> Event:
        rows = self.visible_events(pk).select_related("form", "organizer")
        return self.get_row(rows.defer("search_vector"), pk=pk)


class EventFormView(OfEvent):
    staff_permissions: ClassVar[dict[str, str]] = {"PUT": "events.change_event"}

    @operation("Read the form of an event", responses=FormOut)
    def get(self, request: Request, pk: int) -> Response:
        """The questions that registering asks. Version 0 without questions: there is no form.

        `left` is how often an option with a limit can still be chosen.
        """
        return self.form_response(self.event(pk))

    @operation(
        "Replace the form of an event",
        request=FormIn,
        responses=FormOut,
        raises=[PermissionDenied, EventCancelled, QuestionInUse, LimitBelowTaken],
    )
    def put(self, request: Request, pk: int) -> Response:
        """Makes a new version, unless nothing changes. Stored answers stay as they are.

        A question with answers keeps its key and type and stays in the form, if need be with
        `active: false`. Later forms of its series leave the event as it is.
        """
        event = self.event(pk)
        questions = self.valid(FormIn)["questions"]
        return self.form_response(
            put_form(event, questions, expected_versions=self.expected_version())
        )


class SeriesFormView(FormView):
    staff_permissions: ClassVar[dict[str, str]] = {"PUT": "events.change_series"}

    @operation("Read the form of a series", responses=FormOut)
    def get(self, request: Request, pk: int) -> Response:
        """The questions of its coming events. Limits apply to each event."""
        return self.form_response(self.series(pk))

    @operation(
        "Replace the form of a series",
        request=FormIn,
        responses=FormOut,
        raises=[PermissionDenied, QuestionInUse, LimitBelowTaken],
    )
    def put(self, request: Request, pk: int) -> Response:
        """As for an event. Applies to future events that were not edited by hand, and to new ones.

        A limit is one of each event.
        """
        series = self.series(pk)
        questions = self.valid(FormIn)["questions"]
        return self.form_response(
            put_series_form(series, questions, expected_versions=self.expected_version())
        )


class AnswersSchemaView(FormView):
    """The base of the JSON Schemas of answers."""

    needed_rights: ClassVar[dict[str, str]] = {}
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}

    def schema_response(self, row: Event | Series) -> Response:
        self.etag_version = form_tag(row)
        return Response(AnswersSchemaOut(answers_schema(questions_of(row.form))).data)


class EventAnswersSchemaView(OfEvent, AnswersSchemaView):
    @operation("Get the JSON Schema of answers to an event", responses=AnswersSchemaOut)
    def get(self, request: Request, pk: int) -> Response:
        """Describes `answers`; `$defs.guest` describes those of a guest (draft 2020-12)."""
        return self.schema_response(self.event(pk))


class SeriesAnswersSchemaView(AnswersSchemaView):
    @operation("Get the JSON Schema of answers to a series", responses=AnswersSchemaOut)
    def get(self, request: Request, pk: int) -> Response:
        """As for an event."""
        return self.schema_response(self.series(pk))


class FormSummaryView(OfEvent):
    tag = "registrations"
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"GET": "registrations.view_registration"}
    needed_rights: ClassVar[dict[str, str]] = {"GET": Right.PEOPLE}
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": (Scope.REGISTRATIONS_READ,)}

    @operation("Summarize the answers", responses=FormSummaryOut, raises=[PermissionDenied])
    def get(self, request: Request, pk: int) -> Response:
        """How many people answered each question, and chose each option. Guests count too.

        Confirmed and waitlisted registrations count. Options that are gone are listed if somebody
        has chosen them.
        """
        event = self.event(pk)
        with ROWS.one():
            summary = answer_summary(event)
        return Response(FormSummaryOut(summary).data)
