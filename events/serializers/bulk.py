"""Many events in one request body, and the result of each row."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import TrueOrFalseField
from config.api.http.strict_bodies import validate_body
from config.errors import FIELD_CODES, ValidationFailed

from ..models import Category, Event
from ..services.bulk import errors_at
from .event_input import EVENT_IN_EXAMPLE, EventCreateIn
from .events import EVENT_EXAMPLE, EventOut, ListedEventOut

MAX_ROWS = 1000


@extend_schema_field(EventCreateIn(many=True))
class EventRowsField(serializers.Field[Any, Any, Any, Any]):
    """A list of new events. The value of a row is its fields or a `ValidationFailed`."""

    schema_extra: ClassVar[dict[str, Any]] = {"minItems": 1, "maxItems": MAX_ROWS}
    default_error_messages = {
        "invalid": "Send an array of events.",
        "min_length": "Send at least one event.",
        "max_length": f"Send at most {MAX_ROWS:,} events at once.",
    }

    def to_internal_value(self, data: Any) -> list[dict[str, Any] | ValidationFailed]:
        if not isinstance(data, list):
            self.fail("invalid")
        if not data:
            self.fail("min_length")
        if len(data) > MAX_ROWS:
            self.fail("max_length")
        row_in = EventCreateIn(context={**self.context, "categories": _categories(data)})
        read_only = frozenset(ListedEventOut().fields)
        return [_read_row(row_in, row, read_only) for row in data]


def _categories(rows: list[Any]) -> dict[str, Category]:
    """The categories of the rows, by slug."""
    slugs = {row.get("category") for row in rows if isinstance(row, dict) and _has_slug(row)}
    return {category.slug: category for category in Category.objects.filter(slug__in=slugs)}


def _has_slug(row: dict[str, Any]) -> bool:
    slug = row.get("category")
    return isinstance(slug, str) and "\x00" not in slug  # PostgreSQL cannot store it


def _read_row(
    row_in: EventCreateIn, row: Any, read_only: frozenset[str]
) -> dict[str, Any] | ValidationFailed:
    is_lenient = row_in.context.get("is_lenient", False)
    try:
        return validate_body(row_in, row, read_only=read_only, ignores_unknown=is_lenient)
    except ValidationFailed as refusal:
        return refusal


@extend_schema_serializer(
    examples=[OpenApiExample("Two events", {"events": [EVENT_IN_EXAMPLE, EVENT_IN_EXAMPLE]})]
)
class EventBulkIn(serializers.Serializer[Any]):
    schema_name = "EventBulkCreate"
    array_field: ClassVar[str] = "events"

    events = EventRowsField()
    partial: Any = TrueOrFalseField(
        default=False, help_text="Create the valid events even if others are invalid."
    )


class RowErrorOut(serializers.Serializer[Any]):
    field = serializers.CharField(allow_null=True)
    code = serializers.ChoiceField(choices=[(code, code) for code in FIELD_CODES])
    detail = serializers.CharField()
    suggestion = serializers.CharField(
        required=False, help_text="The name that was probably meant."
    )


class EventRowOut(serializers.Serializer[Any]):
    schema_name = "EventBulkRow"

    index = serializers.IntegerField(min_value=0, help_text="Of the row, from 0.")
    status = serializers.ChoiceField(choices=[("created", "created"), ("refused", "refused")])
    event = EventOut(allow_null=True)
    errors: Any = RowErrorOut(many=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One of two, with `partial`",
            {
                "created": 1,
                "refused": 1,
                "results": [
                    {"index": 0, "status": "created", "event": EVENT_EXAMPLE, "errors": []},
                    {
                        "index": 1,
                        "status": "refused",
                        "event": None,
                        "errors": [
                            {
                                "field": "events.1.name",
                                "code": "blank",
                                "detail": "This field may not be blank.",
                            }
                        ],
                    },
                ],
            },
        )
    ]
)
class EventBulkOut(serializers.Serializer[Any]):
    schema_name = "EventBulkResult"

    created = serializers.IntegerField()
    refused = serializers.IntegerField(help_text="More than 0 with `partial` only.")
    results = EventRowOut(many=True, help_text="One for each row, in their order.")

    def to_representation(self, outcomes: list[Event | ValidationFailed]) -> dict[str, Any]:
        event_out = EventOut(context=self.context)
        results: list[dict[str, Any]] = []
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, Event):
                event = event_out.to_representation(outcome)
                result: dict[str, Any] = {"status": "created", "event": event, "errors": []}
            else:
                errors = [error.as_dict() for error in errors_at(outcome, index)]
                result = {"status": "refused", "event": None, "errors": errors}
            results.append({"index": index, **result})
        created = sum(isinstance(outcome, Event) for outcome in outcomes)
        return {"created": created, "refused": len(outcomes) - created, "results": results}
