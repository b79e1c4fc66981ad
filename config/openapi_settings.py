"""Settings of drf-spectacular, which generates the OpenAPI document."""

from pathlib import Path

from config.errors import FIELD_CODES

_INTRODUCTION = Path(__file__).resolve().parents[1] / "docs" / "api-introduction.md"

SETTINGS = {
    "TITLE": "Event Management API",
    "DESCRIPTION": _INTRODUCTION.read_text(encoding="utf-8"),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api",
    "PATH_CONVERTER_OVERRIDES": {
        "id": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
    },
    "SORT_OPERATIONS": False,  # by tag, and within one as in the URL configuration
    "ENUM_SUFFIX": "",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.api.openapi.components.complete_document",
    ],
    "ENUM_NAME_OVERRIDES": {
        "AttendanceMode": "events.models.AttendanceMode",
        "Role": "accounts.models.User.Role",
        "TeamRole": "events.models.team.Role",
        "InvitationRole": "events.serializers.team.ROLES",
        "MemberState": "events.models.TeamMember.State",
        "EventStatus": "events.models.Event.Status",
        "SeriesStatus": "events.models.Series.Status",
        "EventCreateStatus": ["published", "draft"],
        "RegistrationStatus": "registrations.models.Registration.Status",
        "QuestionType": "registrations.forms.questions.TYPES",
        "LedgerKind": "registrations.models.LedgerEntry.Kind",
        "LedgerReason": "registrations.models.LedgerEntry.Reason",
        "MessageStatus": "registrations.models.Message.Status",
        "ImportOutcome": "registrations.services.bulk.OUTCOMES",
        "FieldCode": list(FIELD_CODES),
    },
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "apiKey": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "evk_…",
                "description": "The `key` of `POST /api/me/keys/`, in place of an access token. An "
                "operation names the scopes of which the key needs one; operations without this "
                "scheme are closed to keys, except those that are open to guests.",
            }
        }
    },
    "TAGS": [
        {"name": "sign in", "description": "Sign up, sign in, confirm an address."},
        {"name": "events", "description": "Find, create, publish, edit and cancel events."},
        {"name": "registrations", "description": "Take a seat, cancel, give feedback."},
        {"name": "attendees", "description": "See who comes, check in, export, import."},
        {"name": "series", "description": "Events that recur."},
        {"name": "calendars", "description": "iCalendar files and feeds (RFC 5545)."},
        {"name": "notifications", "description": "The inbox."},
        {"name": "changes", "description": "Follow what happens, for other programs."},
        {"name": "webhooks", "description": "Have what happens sent to other programs."},
        {"name": "account", "description": "The profile, its sessions and data."},
        {"name": "teams", "description": "People who run an event together."},
        {"name": "API keys", "description": "Credentials of programs, with scopes."},
        {"name": "categories", "description": "Kinds of events; edited by staff."},
        {"name": "directory", "description": "Where everything is."},
    ],
}
