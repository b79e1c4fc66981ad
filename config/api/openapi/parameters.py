"""Parameters and headers that many operations have."""

from drf_spectacular.utils import OpenApiParameter

from ..fields import ZONE_NAME

TIMEZONE = OpenApiParameter(
    "timezone",
    {"type": "string", **ZONE_NAME},
    description="IANA zone of the times in the response, such as Asia/Kolkata.",
)
TIME_ZONE_HEADER = OpenApiParameter(
    "Time-Zone",
    {"type": "string", "examples": ["Asia/Kolkata"]},
    OpenApiParameter.HEADER,
    description="The same as `timezone`, which takes precedence.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description="A repetition within 24 hours with the same body gets the first response again.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="An ETag. The response is 304 when nothing has changed.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="An ETag. The response is 412 when the row was edited since.",
)
DRY_RUN = OpenApiParameter(
    "dry_run",
    bool,
    description="Do nothing, and return what the request would change. Errors are the same.",
)
EVENT_KEY = OpenApiParameter(
    "key",
    str,
    description="The secret key of an unlisted event, from its links. Public events ignore it.",
)
