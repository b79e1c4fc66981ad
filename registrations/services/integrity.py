"""Checks the invariants of registrations over the whole database, with set-based queries."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Avg, Count, DecimalField, QuerySet, Sum
from django.db.models.functions import Round
from django.utils import timezone

from accounts.models import User
from accounts.services.address_normalization import uncertain
from config.api.text.email_addresses import mailbox_of
from events.models import Event
from events.services import lock_event

from ..models import LedgerEntry, Registration
from .answer_tallies import drop_tally, events_with_wrong_tallies
from .eligibility import may_promote_sql
from .waitlist import promote_waitlist

_COUNTED = """
    SELECT event_id,
        coalesce(sum(party_size) FILTER (WHERE status = 'confirmed'), 0) AS confirmed,
        coalesce(sum(party_size) FILTER (WHERE status = 'waitlisted'), 0) AS waitlisted,
        count(*) FILTER (WHERE status = 'waitlisted') AS parties,
        coalesce(sum(party_size) FILTER (WHERE status = 'pending'), 0) AS pending
    FROM registrations_registration GROUP BY event_id
"""

# A party that was once larger than the whole capacity may have been passed over. The capacity of
# that time is not stored, but it was at least one.
_NEVER_PASSED_OVER = """
    r.status = 'waitlisted' AND r.party_size = 1 AND NOT EXISTS (
        SELECT FROM events_event WHERE id = r.event_id AND was_first_fit
    ) AND NOT EXISTS (
        SELECT FROM registrations_ledgerentry
        WHERE registration_id = r.id AND kind = 'party_shrunk'
    )
"""

# An array contains a value that is one of its items, and a value contains itself.
_CHOSEN = """
    SELECT count(*) AS chosen
    FROM registrations_registration AS r
    CROSS JOIN LATERAL (
        SELECT r.answers
        UNION ALL SELECT guest -> 'answers' FROM jsonb_array_elements(r.guests) AS guest
    ) AS person (answers)
    WHERE r.event_id = e.id AND r.status IN ('confirmed', 'waitlisted')
        AND person.answers -> option.key @> to_jsonb(option.value)
"""

_LIMITED_OPTIONS = """
    SELECT form.id AS form_id, question ->> 'key' AS key, choice ->> 'value' AS value,
        (choice ->> 'limit')::int AS "limit"
    FROM events_form AS form
    CROSS JOIN jsonb_array_elements(form.questions) AS question
    CROSS JOIN jsonb_array_elements(question -> 'options') AS choice
    WHERE choice ->> 'limit' IS NOT NULL
"""

_SHOWN_FEEDBACK = """
    SELECT event_id, count(*) AS number, round(avg(rating), 2) AS average
    FROM registrations_feedback WHERE hidden_at IS NULL GROUP BY event_id
"""

# Rounded by the database, as the trigger does.
_AVERAGE = Round(Avg("rating", output_field=DecimalField(max_digits=3, decimal_places=2)), 2)


@dataclass(frozen=True)
class Check:
    """`sql` selects the violations of the invariant: an event's id, and a description."""

    invariant: str
    sql: str


CHECKS = (
    Check(
        "confirmed people never exceed the capacity",
        f"""
        SELECT e.id, format('%%s confirmed on %%s seats', c.confirmed, e.max_capacity)
        FROM events_event e JOIN ({_COUNTED}) c ON c.event_id = e.id
        WHERE c.confirmed > e.max_capacity
        """,  # noqa: S608  # nosec  # composed of constants only, as below
    ),
    Check(
        "registered_count and waitlist_count equal the people they count",
        f"""
        SELECT e.id, format(
            'registered_count %%s, confirmed %%s; waitlist_count %%s, waitlisted %%s; '
            'queue of %%s, rows %%s',
            e.registered_count, coalesce(c.confirmed, 0),
            e.waitlist_count, coalesce(c.waitlisted, 0),
            e.waitlist_count - e.waitlist_guest_count, coalesce(c.parties, 0)
        )
        FROM events_event e LEFT JOIN ({_COUNTED}) c ON c.event_id = e.id
        WHERE (e.registered_count, e.waitlist_count, e.waitlist_count - e.waitlist_guest_count)
            <> (coalesce(c.confirmed, 0), coalesce(c.waitlisted, 0), coalesce(c.parties, 0))
        """,  # noqa: S608  # nosec
    ),
    Check(
        "oversized_count equals the waitlisted parties that can never fit",
        """
        SELECT event.id, format('oversized_count %%s, parties %%s',
            event.oversized_count, coalesce(found.parties, 0))
        FROM events_event AS event LEFT JOIN (
            SELECT event_id, count(*) AS parties
            FROM registrations_registration JOIN events_event ON events_event.id = event_id
            WHERE registrations_registration.status = 'waitlisted' AND party_size > max_capacity
            GROUP BY event_id
        ) AS found ON found.event_id = event.id
        WHERE event.oversized_count <> coalesce(found.parties, 0)
        """,
    ),
    Check(
        "pending_count equals the people it counts",
        f"""
        SELECT e.id, format('pending_count %%s, pending %%s',
            e.pending_count, coalesce(c.pending, 0))
        FROM events_event e LEFT JOIN ({_COUNTED}) c ON c.event_id = e.id
        WHERE e.pending_count <> coalesce(c.pending, 0)
        """,  # noqa: S608  # nosec
    ),
    Check(
        "uses of a code equal the registrations that have used it",
        """
        SELECT code.event_id, format('code %%s: uses %%s, registrations %%s',
            code.id, code.uses, count(r.id))
        FROM registrations_registrationcode code
        LEFT JOIN registrations_registration r
            ON r.code_id = code.id AND r.status <> 'cancelled'
        GROUP BY code.id HAVING code.uses <> count(r.id)
        """,
    ),
    Check(
        "no seats are free for the waitlist while registration is open",
        f"""
        SELECT event.id, format('%%s wait, %%s of %%s seats are taken',
            c.waitlisted, c.confirmed, coalesce(event.max_capacity::text, 'unlimited'))
        FROM events_event AS event JOIN ({_COUNTED}) c ON c.event_id = event.id
        CROSS JOIN LATERAL (
            SELECT party_size FROM registrations_registration
            WHERE event_id = event.id AND status = 'waitlisted'
                AND party_size <= coalesce(event.max_capacity, party_size)
            ORDER BY CASE WHEN event.waitlist_policy = 'first_fit' THEN party_size END,
                queue_number LIMIT 1
        ) AS first
        WHERE {may_promote_sql(confirmed="c.confirmed", waitlisted="c.waitlisted")}
            AND c.confirmed + first.party_size <= coalesce(
                event.max_capacity, c.confirmed + first.party_size
            )
        """,  # noqa: S608  # nosec
    ),
    Check(
        "promotion is in the order of joining",
        f"""
        SELECT w.event_id, format('number %%s waits, number %%s was promoted',
            w.first_waitlisted, p.last_promoted)
        FROM (
            SELECT event_id, min(queue_number) AS first_waitlisted
            FROM registrations_registration r WHERE {_NEVER_PASSED_OVER} GROUP BY event_id
        ) w JOIN (
            SELECT event_id, max(queue_number) AS last_promoted
            FROM registrations_registration WHERE status = 'confirmed' GROUP BY event_id
        ) p USING (event_id)
        WHERE p.last_promoted > w.first_waitlisted
        """,  # noqa: S608  # nosec
    ),
    Check(
        "a newcomer never overtakes the queue",
        f"""
        SELECT w.event_id, format('entry %%s gave a seat while entry %%s was in the queue',
            l.id, w.entry_id)
        FROM (
            SELECT r.event_id, min(q.id) AS entry_id
            FROM registrations_registration r
            JOIN registrations_ledgerentry q ON q.registration_id = r.id AND q.kind = 'queued'
            WHERE {_NEVER_PASSED_OVER} GROUP BY r.event_id
        ) w CROSS JOIN LATERAL (
            SELECT id FROM registrations_ledgerentry
            WHERE event_id = w.event_id AND id > w.entry_id AND kind = 'registered' LIMIT 1
        ) l
        """,  # noqa: S608  # nosec
    ),
    Check(
        "one live registration per event and e-mail address",
        """
        SELECT event_id, format('%%s live registrations of one address, one of them %%s',
            count(*), min(id::text))
        FROM registrations_registration WHERE status <> 'cancelled'
        GROUP BY event_id, lower(email) HAVING count(*) > 1
        """,
    ),
    # People are erased after the start without giving anything back, and answers after the end.
    Check(
        "options with a limit are taken as often as they are chosen",
        f"""
        SELECT e.id, format('%%s=%%s: taken %%s of %%s, chosen %%s',
            option.key, option.value, coalesce(t.taken, 0), option.limit, c.chosen)
        FROM events_event e
        JOIN ({_LIMITED_OPTIONS}) AS option ON option.form_id = e.form_id
        LEFT JOIN registrations_optionlimit AS t
            ON t.event_id = e.id AND t.key = option.key AND t.value = option.value
        CROSS JOIN LATERAL ({_CHOSEN}) AS c
        WHERE e.start_time > %(now)s AND (
            coalesce(t.taken, 0) <> c.chosen OR t.limit <> option.limit
        )
        """,  # noqa: S608  # nosec
    ),
    Check(
        "average_rating and feedback_count equal the feedback that is shown",
        f"""
        SELECT e.id, format('feedback_count %%s, shown %%s; average_rating %%s, of those %%s',
            e.feedback_count, coalesce(f.number, 0), e.average_rating, f.average)
        FROM events_event e LEFT JOIN ({_SHOWN_FEEDBACK}) f ON f.event_id = e.id
        WHERE (e.feedback_count, e.average_rating)
            IS DISTINCT FROM (coalesce(f.number, 0), f.average)
        """,  # noqa: S608  # nosec
    ),
)


# Statistics are counted from the ledger.
_LEDGER_DIFFERS = """
    SELECT event_id, format(
        'registrations %%s, in the ledger %%s; cancelled %%s, %%s; people checked in %%s, %%s',
        coalesce(r.made, 0), coalesce(l.made, 0), coalesce(r.cancelled, 0),
        coalesce(l.cancelled, 0), coalesce(r.present, 0), coalesce(l.present, 0))
    FROM (
        SELECT event_id, count(*) AS made,
            count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
            coalesce(sum(party_size - absent_count) FILTER (
                WHERE checked_in_at IS NOT NULL), 0) AS present
        FROM registrations_registration GROUP BY event_id
    ) r FULL JOIN (
        SELECT event_id,
            count(*) FILTER (WHERE kind IN ('registered', 'queued', 'pending')) AS made,
            count(*) FILTER (WHERE kind = 'cancelled') AS cancelled,
            coalesce(sum(people) FILTER (WHERE kind = 'checked_in'), 0)
                - coalesce(sum(people) FILTER (WHERE kind = 'check_in_undone'), 0) AS present
        FROM registrations_ledgerentry GROUP BY event_id
    ) l USING (event_id)
    WHERE (r.made, r.cancelled, r.present)
        IS DISTINCT FROM (l.made, l.cancelled, l.present)
"""

_ONE_PER_MAILBOX = "one live registration per event and mailbox"
_TALLIES = "tallies equal the answers they count"

INVARIANTS = (*(check.invariant for check in CHECKS), _TALLIES)


@dataclass(frozen=True)
class Fault:
    invariant: str
    event_id: int
    detail: str


def find_faults() -> Iterator[Fault]:
    """Every violation of an invariant, in one snapshot of the database.

    Inside an open transaction, the snapshot is that of the transaction.
    """
    now = timezone.now()
    is_outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if is_outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for check in CHECKS:
            cursor.execute(check.sql, {"now": now})
            for event_id, detail in cursor.fetchall():
                yield Fault(check.invariant, event_id, detail)
        for row in _respelled_duplicates().filter(event__end_time__gt=now):
            yield Fault(_ONE_PER_MAILBOX, row.event_id, _duplicate_detail(row))
        for event_id in events_with_wrong_tallies():
            yield Fault(_TALLIES, event_id, "the tally of its answers is wrong")


def find_notes() -> Iterator[str]:
    """Conditions that people have to resolve and that violate no invariant."""
    for row in _respelled_duplicates().filter(event__end_time__lte=timezone.now()):
        yield f"event {row.event_id}, which is over: {_duplicate_detail(row)}"
    with connection.cursor() as cursor:
        cursor.execute(_LEDGER_DIFFERS, {})
        for event_id, detail in cursor.fetchall():
            differs = "its ledger, and so its statistics, differ from its rows"
            yield f"event {event_id}: {differs}: {detail}"
    for user in User.objects.exclude(withdrawn_email="").order_by("pk"):
        holder = User.objects.filter(email=user.withdrawn_email).first()
        state = f"is that of account {holder.pk}" if holder else "cannot get mail"
        yield (
            f"account {user.pk} ({user.username}) has to give another e-mail address: "
            f"the one that it had {state}"
        )


def _respelled_duplicates() -> Any:
    """Live registrations with the mailbox of another live registration for the same event.

    `normalize_addresses` leaves such rows.
    """
    rows = uncertain(Registration.objects.of_address().identified()).only("event", "email")
    respelled = [row.pk for row in rows if mailbox_of(row.email) != row.email]
    return Registration.objects.filter(pk__in=respelled).order_by("event_id", "pk")


def _duplicate_detail(row: Registration) -> str:
    same = Registration.objects.of_address().filter(event=row.event_id, email=row.email)
    other = same.exclude(pk=row.pk).values_list("pk", flat=True).first()
    return f"registration {row.pk} has the mailbox of registration {other} in another spelling"


def _people(rows: QuerySet[Registration]) -> int:
    people: int = rows.aggregate(people=Sum("party_size", default=0))["people"]
    return people


@transaction.atomic
def repair_counters(event_id: int) -> None:
    """Sets an event's counters from its rows, and promotes the waitlist into free seats.

    A deleted event, which may be restored, has counters too. The answers are counted by the next
    task.
    """
    drop_tally(event_id)
    event = lock_event(event_id, even_deleted=True)
    live = event.registrations.live()
    queue = live.filter(status="waitlisted")
    event.registered_count = _people(live.filter(status="confirmed"))
    event.waitlist_count = _people(queue)
    event.waitlist_guest_count = event.waitlist_count - queue.count()
    event.pending_count = _people(event.registrations.filter(status="pending"))
    feedback = event.feedback.not_hidden().aggregate(number=Count("pk"), average=_AVERAGE)
    Event.objects.filter(pk=event_id).update(
        registered_count=event.registered_count,
        waitlist_count=event.waitlist_count,
        waitlist_guest_count=event.waitlist_guest_count,
        pending_count=event.pending_count,
        feedback_count=feedback["number"],
        average_rating=feedback["average"],
    )
    promote_waitlist(event, reason=LedgerEntry.Reason.PLACE_FREED)
