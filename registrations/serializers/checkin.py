"""Bodies of check-in, scans and the list for the door."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import LineField, TrueOrFalseField, UuidField, WholeNumberField
from config.api.http.exception_handler import problem_document
from config.api.http.timezones import InstantField
from config.api.text.instants import instant_formatter
from config.errors import DomainError
from events.models import MAX_PARTY_SIZE
from events.serializers.fields import MomentField

from ..models import Registration, Scan
from ..services.checkin import ScanRequest, ScanResult
from ..services.door_lists import DoorList
from .registrations import (
    REGISTRATION_EXAMPLE,
    RegisteredEventOut,
    RegistrationOut,
    ScannedAtDoorOut,
)

MAX_SCANS = 1000

_CHECKED_IN = {
    **REGISTRATION_EXAMPLE,
    "admitted_count": 1,
    "checked_in_at": "2032-03-15T08:41:00Z",
}
_FIRST_SCAN = {
    "admitted_now": 1,
    "admitted_count": 1,
    "party_size": 1,
    "already_checked_in": False,
}
_OFFLINE_SCAN = {
    "ticket_code": "MZXW6YTBOI2DKNRXGQ2TMNZYHE",
    "at": "2032-03-15T08:41:00Z",
    "nonce": "b1f6c2d0-1",
}


def _render_registration(registration: Registration, context: Mapping[str, Any]) -> dict[str, Any]:
    """With `is_at_door` in the context it has no address and no ticket."""
    serializer_class = ScannedAtDoorOut if context.get("is_at_door") else RegistrationOut
    return serializer_class(context=context).to_representation(registration)


class ScanOut(serializers.Serializer[Any]):
    """A registration, as the caller may see it, and facts about its scan."""

    registration = RegistrationOut()

    def to_representation(self, scan: Any) -> dict[str, Any]:
        facts = scan if isinstance(scan, dict) else scan._asdict()
        shown = {str(name): facts[name] for name in self.fields}
        return {**shown, "registration": _render_registration(facts["registration"], self.context)}


@extend_schema_serializer(
    examples=[
        OpenApiExample("Scan", {"ticket_code": "MZXW6YTBOI2DKNRXGQ2TMNZYHE"}),
        OpenApiExample("Scan that is sent later", _OFFLINE_SCAN),
    ]
)
class TicketIn(serializers.Serializer[Registration]):
    schema_name = "TicketScan"

    ticket_code = LineField(max_length=64, help_text="The text of the QR symbol.")
    at = MomentField(
        required=False,
        help_text="When the ticket was scanned, at most two minutes ahead. Default: now.",
    )
    count = WholeNumberField(
        min_value=1,
        max_value=MAX_PARTY_SIZE,
        required=False,
        help_text="How many of the party come in. Default: all who are not admitted yet. An undo "
        "reverts all admissions and ignores it.",
    )
    nonce = LineField(
        max_length=100,
        required=False,
        help_text="Identifies the scan in this event. The same one again gets the same response.",
    )


class BulkTicketIn(TicketIn):
    schema_name = "BulkTicketScan"
    default_error_messages = {"invalid": "Send a scan as an object: {{…}}."}

    undo = TrueOrFalseField(default=False, help_text="Undo the check-in.")

    def validate(self, attrs: dict[str, Any]) -> Any:
        kind = Scan.Kind.UNDO if attrs.pop("undo") else Scan.Kind.CHECK_IN
        return ScanRequest(kind=kind, **attrs)


_SCAN_LIST: dict[str, Any] = {
    "min_length": 1,
    "max_length": MAX_SCANS,
    "error_messages": {
        "not_a_list": "Send an array of scans.",
        "min_length": "Send at least one scan.",
        "max_length": f"Send at most {MAX_SCANS:,} scans at once.",
    },
}


@extend_schema_serializer(
    examples=[OpenApiExample("Scans of a phone that was offline", {"check_ins": [_OFFLINE_SCAN]})]
)
class CheckInsIn(serializers.Serializer[Any]):
    schema_name = "BulkCheckIn"
    array_field: ClassVar[str] = "check_ins"

    check_ins: Any = serializers.ListSerializer(child=BulkTicketIn(), **_SCAN_LIST)


@extend_schema_serializer(
    examples=[OpenApiExample("First scan", {"registration": _CHECKED_IN, **_FIRST_SCAN})]
)
class CheckInOut(ScanOut):
    admitted_now = serializers.IntegerField(help_text="How many people this scan admits.")
    admitted_count = serializers.IntegerField(help_text="How many of the party are admitted.")
    party_size = serializers.IntegerField()
    already_checked_in = serializers.BooleanField(
        help_text="True for a second scan; checked_in_at has the time of the first."
    )


@extend_schema_serializer(
    examples=[OpenApiExample("Undone", {"registration": REGISTRATION_EXAMPLE})]
)
class CheckInUndoneOut(ScanOut):
    pass


class DoorScanIn(BulkTicketIn):
    """A scan on the page for the door: of a ticket, or of a person who was found by name."""

    ticket_code = LineField(max_length=64, required=False)
    registration = UuidField(required=False, source="registration_id")

    def validate(self, attrs: dict[str, Any]) -> Any:
        if len(attrs.keys() & {"ticket_code", "registration_id"}) != 1:
            raise serializers.ValidationError(
                {"ticket_code": ["Type the code of a ticket, or choose a name."]}, code="required"
            )
        return super().validate({"ticket_code": "", **attrs})


class DoorScansIn(CheckInsIn):
    check_ins: Any = serializers.ListSerializer(child=DoorScanIn(), **_SCAN_LIST)


class ScanOutcomeOut(serializers.Serializer[Any]):
    """The response to one scan of several, or its problem document."""

    status = serializers.IntegerField(help_text="Of the HTTP response to the scan alone.")
    registration = RegistrationOut(required=False)
    admitted_now = serializers.IntegerField(required=False)
    admitted_count = serializers.IntegerField(required=False)
    party_size = serializers.IntegerField(required=False)
    already_checked_in = serializers.BooleanField(required=False)
    code = serializers.CharField(required=False, help_text="The code of the problem.")
    reason = serializers.CharField(required=False, help_text="With ticket_not_valid.")
    title = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)
    errors: Any = serializers.ListField(child=serializers.DictField(), required=False)

    def to_representation(self, outcome: ScanResult | DomainError) -> dict[str, Any]:
        if isinstance(outcome, DomainError):
            problem = problem_document(outcome)
            return {name: value for name, value in problem.items() if name != "request_id"}
        return {
            "status": 200,
            **outcome._asdict(),
            "registration": _render_registration(outcome.registration, self.context),
        }


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A check-in and a refusal",
            {
                "results": [
                    {
                        "status": 200,
                        "registration": _CHECKED_IN,
                        **_FIRST_SCAN,
                    },
                    {
                        "status": 409,
                        "type": "/problems/ticket-not-valid",
                        "title": "The ticket is not valid here",
                        "detail": "The holder is on the waitlist.",
                        "code": "ticket_not_valid",
                        "reason": "waitlisted",
                    },
                ]
            },
        )
    ]
)
class CheckInsOut(serializers.Serializer[Any]):
    schema_name = "BulkCheckInResult"

    results = ScanOutcomeOut(many=True, help_text="One for each scan, in their order.")


class DoorListEntryOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=Registration.Status.choices)
    party_size = serializers.IntegerField()
    admitted_count = serializers.IntegerField(help_text="How many of the party are checked in.")
    checked_in_at = InstantField(allow_null=True)
    ticket_sha256 = serializers.CharField(
        help_text="The SHA-256 of the ticket's code, in lower-case hexadecimal digits."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Door list",
            {
                "event": REGISTRATION_EXAMPLE["event"],
                "results": [
                    {
                        "id": "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10",
                        "name": "Bob",
                        "status": "confirmed",
                        "party_size": 1,
                        "admitted_count": 0,
                        "checked_in_at": None,
                        "ticket_sha256": "9f86d081884c7d659a2feaa0c55ad015"
                        "a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    }
                ],
            },
        )
    ]
)
class DoorListOut(serializers.Serializer[Any]):
    schema_name = "DoorList"

    event = RegisteredEventOut()
    results = DoorListEntryOut(many=True, help_text="By name.")

    def to_representation(self, door_list: DoorList) -> dict[str, Any]:
        """Renders the rows without DRF, since there may be a hundred thousand."""
        render = instant_formatter()
        rows = [{**row, "checked_in_at": render(row["checked_in_at"])} for row in door_list.rows]
        return {
            "event": RegisteredEventOut(door_list.event, context=self.context).data,
            "results": rows,
        }
