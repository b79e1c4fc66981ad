"""The columns of an attendee list, the orders of its rows, and an example row.

Each column is an expression over `chosen`, the rows that `statement.attendee_select` exports.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """`kind` decides how a value is written.

    - `text`: written by people. A CSV guards it against formulas.
    - `event name`: a text as well, with the same value in every row.
    - `time`: an instant, rendered in the zone of the export.
    - `number`: a number in JSON and XML.
    - `plain`: anything else, written as it is.
    """

    name: str
    sql: str
    kind: str = "plain"


# One scalar subquery computes all positions once. With a join the planner guesses the length of
# the queue. It then loops over the queue for each row, or sorts all rows before sending the first.
_POSITION = """CASE WHEN chosen.status = 'waitlisted' THEN ((
    SELECT jsonb_object_agg(id, position) FROM (
        SELECT id, row_number() OVER (ORDER BY queue_number) AS position
        FROM registrations_registration WHERE event_id = %(event_id)s AND status = 'waitlisted'
    ) AS queue
) ->> chosen.id::text)::bigint END"""

_ADMITTED_COUNT = """CASE
    WHEN chosen.checked_in_at IS NULL THEN 0 ELSE chosen.party_size - chosen.absent_count
END"""

_GUESTS = "CASE WHEN jsonb_array_length(chosen.guests) > 0 THEN chosen.guests::text ELSE '' END"

COLUMNS = (
    Column("name", "chosen.name", "text"),
    Column("email", "chosen.email", "text"),
    Column("status", "chosen.status"),
    Column("waitlist_position", _POSITION, "number"),
    Column("registered_at", "chosen.registered_at", "time"),
    Column("confirmed_at", "chosen.confirmed_at", "time"),
    Column("cancelled_at", "chosen.cancelled_at", "time"),
    Column("checked_in_at", "chosen.checked_in_at", "time"),
    Column("party_size", "chosen.party_size", "number"),
    Column("admitted_count", _ADMITTED_COUNT, "number"),
    Column("guests", _GUESTS, "text"),
    Column("ticket_code", "chosen.ticket_code"),
    Column("registration_id", "chosen.id"),
    Column("event_id", "chosen.event_id", "number"),
    Column("event_name", "%(event_name)s::text", "event name"),
)
TEXT_COLUMNS = tuple(column.name for column in COLUMNS if column.kind in {"text", "event name"})

# The expression of `config.api.text.folding.alphabetical`, which the index uses too.
_NAME_KEY = 'text_alphabet_key(chosen.name) COLLATE "C"'

ORDERINGS = {
    "registered_at": "chosen.registered_at, chosen.id",
    "-registered_at": "chosen.registered_at DESC, chosen.id DESC",
    "name": f"{_NAME_KEY}, chosen.id",
    "-name": f"{_NAME_KEY} DESC, chosen.id DESC",
    "email": "chosen.email, chosen.id",
    "-email": "chosen.email DESC, chosen.id DESC",
}

# For the OpenAPI document.
EXAMPLE_ROW = {
    "name": "Bob",
    "email": "bob@example.com",
    "status": "confirmed",
    "waitlist_position": None,
    "registered_at": "2026-11-21T08:00:00Z",
    "confirmed_at": "2026-11-21T08:00:00Z",
    "cancelled_at": None,
    "checked_in_at": None,
    "party_size": 1,
    "admitted_count": 0,
    "guests": "",
    "ticket_code": "MZXW6YTBOI2DKNRX",
    "registration_id": "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10",
    "event_id": 1,
    "event_name": "Global AI Summit",
}
ROW_SCHEMA = {
    "type": "object",
    "required": list(EXAMPLE_ROW),
    "properties": {
        **{name: {"type": "string"} for name in EXAMPLE_ROW},
        **{
            column.name: {"type": ["string", "null"], "format": "date-time"}
            for column in COLUMNS
            if column.kind == "time"
        },
        "waitlist_position": {"type": ["integer", "null"]},
        **{name: {"type": "integer"} for name in ("event_id", "party_size", "admitted_count")},
    },
}
