"""The columns of an attendee list, the orders of its rows, and an example row.

Each column is an expression over `chosen`, the rows that `statement.attendee_select` exports.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ..forms.questions import Question, Questions, Type


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
    Column("ticket_code", "chosen.ticket_code"),
    Column("registration_id", "chosen.id"),
    Column("event_id", "chosen.event_id", "number"),
    Column("event_name", "%(event_name)s::text", "event name"),
)
PARTY_COLUMNS = (
    Column("party_size", "chosen.party_size", "number"),
    Column("admitted_count", _ADMITTED_COUNT, "number"),
    Column("guests", _GUESTS, "text"),
)
# Answers that may have characters of a formula or of markup.
_WRITTEN = {
    *(Type.TEXT, Type.PARAGRAPH, Type.CHOICE, Type.CHOICES),
    *(Type.EMAIL, Type.PHONE, Type.URL),
}

# Answers that are no texts in JSON. A question with answers keeps its type.
_NO_TEXTS = {Type.NUMBER, Type.BOOLEAN, Type.CONSENT, Type.CHOICES}


def text_columns(columns: Iterable[Column]) -> list[str]:
    """The names of those that people write."""
    return [column.name for column in columns if column.kind in {"text", "event name"}]


TEXT_COLUMNS = tuple(text_columns(COLUMNS))

ANSWER_PREFIX = "answers."


def columns_with(questions: Questions, *, has_parties: bool) -> tuple[Column, ...]:
    """`COLUMNS`, those of parties, and one for each question, the inactive ones too."""
    answers = [_column_of(question) for question in questions.all]
    return (*COLUMNS, *(PARTY_COLUMNS if has_parties else ()), *answers)


def answers_record(questions: Questions, *, as_json: bool) -> str:
    """A FROM item with the answers of `chosen` by their keys: as JSON, or as texts.

    The concatenation decompresses the answers once, which each look-up would otherwise do. OFFSET 0
    prevents the planner from repeating expressions that are used several times: by a guard, or to
    join choices. Keys have letters, digits, _ and - alone, and begin with a letter.
    """
    value = _json_of if as_json else _text_of
    values = ", ".join(f'{value(each)} AS "{each.key}"' for each in questions.all)
    arrays = [each.key for each in questions.all if each.type == Type.CHOICES and not as_json]
    texts = "".join(f""", _given ->> '{key}' AS "{key}\"""" for key in arrays)
    given = "SELECT '{}'::jsonb || chosen.answers AS _given OFFSET 0"
    stored = f"SELECT _given{texts} FROM ({given}) AS once OFFSET 0"  # noqa: S608  # nosec
    return f"CROSS JOIN LATERAL (SELECT {values} FROM ({stored}) AS stored OFFSET 0) AS answer"  # noqa: S608  # nosec


def _json_of(question: Question) -> str:
    """A text is not made a JSON value here, since writing the row escapes it."""
    operator = "->" if question.type in _NO_TEXTS else "->>"
    return f"_given {operator} '{question.key}'"


def _text_of(question: Question) -> str:
    if question.type == Type.CONSENT:
        return f"_given -> '{question.key}' ->> 'agreed'"
    if question.type == Type.CHOICES:
        return _joined(f'"{question.key}"')
    return f"_given ->> '{question.key}'"


def _joined(array: str) -> str:
    """SQL for the texts of a JSON array, given as a text, with `; ` between them.

    Without a backslash, the text of the array has its texts as they are. Cutting it takes a sixth
    of the time.
    """
    values = f"jsonb_array_elements_text({array}::jsonb) WITH ORDINALITY AS choice (value, number)"
    aggregated = f"(SELECT string_agg(value, '; ' ORDER BY number) FROM {values})"  # noqa: S608  # nosec
    cut = f"substr({array}, 3, length({array}) - 4)"  # without [" and "]
    return (
        f"CASE WHEN strpos({array}, chr(92)) > 0 OR {array} = '[]' THEN {aggregated}"
        f""" ELSE replace({cut}, '", "', '; ') END"""
    )


def _column_of(question: Question) -> Column:
    kind = "text" if question.type in _WRITTEN else "plain"
    return Column(f"{ANSWER_PREFIX}{question.key}", f'answer."{question.key}"', kind)


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
        "guests": {"type": "string"},
    },
}
