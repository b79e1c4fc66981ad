"""The attendance mode of an event: chosen, or derived from the location and the meeting URL."""

from typing import Any

from config.errors import FieldError, ValidationFailed

from ..models import AttendanceMode, EventDetails, derived_attendance_mode

NEEDS_PLACE = "An event in person needs a place; or send another attendance_mode."


def with_attendance_mode(
    fields: dict[str, Any], plan: EventDetails | None = None
) -> dict[str, Any]:
    """The fields of a new event or series, or the changes of `plan`, with their attendance mode.

    A mode that is sent stays set. None, and a derived mode that is sent back, make it derived again
    at each edit. Raises `ValidationFailed` for an event in person with a link and no location.
    """
    sent = fields.get("attendance_mode")
    if plan is None or ("attendance_mode" in fields and sent != plan.attendance_mode):
        is_set = sent is not None
    else:
        is_set = plan.is_attendance_mode_set
    location = fields.get("location", plan.location if plan else "")
    meeting_url = fields.get("meeting_url", plan.meeting_url if plan else "")
    derived = derived_attendance_mode(location, meeting_url)
    mode = derived
    if is_set:
        mode = AttendanceMode(sent or plan.attendance_mode)  # type: ignore[union-attr]
    if mode == AttendanceMode.IN_PERSON and derived == AttendanceMode.ONLINE and meeting_url:
        raise ValidationFailed(FieldError("location", "required", NEEDS_PLACE))
    return {**fields, "attendance_mode": mode, "is_attendance_mode_set": is_set}
