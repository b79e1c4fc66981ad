"""Names that clients and files use for the fields of events and series."""

# Accepted in place of the canonical name, in bodies and in columns of imports.
FIELD_ALIASES = {"title": "name", "capacity": "max_capacity"}

# Not accepted; an error says which field is probably meant.
FIELD_SYNONYMS = {
    "event_name": "name",
    "subject": "name",
    "summary": "name",
    "details": "description",
    "place": "location",
    "venue": "location",
    "address": "location",
    "lat": "latitude",
    "lon": "longitude",
    "lng": "longitude",
    "start": "start_time",
    "starts_at": "start_time",
    "begin": "start_time",
    "datetime": "start_time",
    "end": "end_time",
    "ends_at": "end_time",
    "finish": "end_time",
    "day": "date",
    "tz": "timezone",
    "time_zone": "timezone",
    "limit": "max_capacity",
    "max_attendees": "max_capacity",
    "max_participants": "max_capacity",
    "seats": "max_capacity",
    "waitlist": "waitlist_enabled",
    "url": "meeting_url",
    "link": "meeting_url",
    "reminders": "reminder_hours",
    "rrule": "recurrence",
    "rule": "recurrence",
}
