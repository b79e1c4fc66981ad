"""The normalization of addresses that were loaded by SQL in several spellings."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.lockout import account_digest
from accounts.models import FormerAddress, Notification, SignInFailures, Unsubscription, User
from accounts.notifications.opt_outs import digest_of, opted_out_kinds
from accounts.services.address_normalization import _digest, normalized, was_delivered_elsewhere
from accounts.tests.factories import UserFactory
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.services.integrity import find_faults, find_notes
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

COMPOSED, DECOMPOSED = "ann@müller.example", "ann@mu\u0308ller.example"
A_LABEL = "ann@xn--mller-kva.example"


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


def store(table: str, pk: object, email: str, column: str = "email") -> None:
    """Stores a value without the field that makes it canonical."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [email, pk])


def account(email: str, **fields) -> User:
    user = UserFactory(email=f"before-{User.objects.count()}@example.com", **fields)
    store("accounts_user", user.pk, email)
    return user


def guest(event, email: str) -> Registration:
    row = registered(event)
    store("registrations_registration", row.pk, email)
    return row


def email_of(row: User | Registration | Notification | FormerAddress) -> str:
    row.refresh_from_db()
    return row.email


@pytest.fixture
def normalize(db):
    def run() -> None:
        call_command("normalize_addresses", stdout=StringIO())

    return run


@pytest.mark.parametrize(
    ("stored", "canonical", "elsewhere"),
    [
        ("ann@example.com", "ann@example.com", False),
        (DECOMPOSED, COMPOSED, False),
        (A_LABEL, COMPOSED, False),
        ("x@faß.example", "x@faß.example", True),
        ("x@βόλος.example", "x@βόλος.example", True),
        ("ann@exam\u00adple.com", "ann@example.com", False),
        ("ann@exam\u200bple.com", "ann@example.com", False),
        ("ann@☃.example", None, False),
        (f"{'a' * 65}@example.com", None, False),
    ],
)
def test_stored_address_becomes_canonical(stored, canonical, elsewhere):
    assert normalized(stored) == canonical
    assert was_delivered_elsewhere(stored) is elsewhere


def test_every_table_has_the_canonical_spelling(normalize, clock):
    user = account(A_LABEL, email_verified_at=day(1), pending_email="new@example.com")
    store("accounts_user", user.pk, "new@xn--fa-hia.example", "pending_email")
    left = FormerAddress.objects.create(user=user, email="old@example.com")
    store("accounts_formeraddress", left.pk, "old@mu\u0308ller.example")
    row = guest(EventFactory(), "bob@xn--mller-kva.example")
    notification = Notification.objects.get(registration_id=row.pk)
    store("accounts_notification", notification.pk, "bob@xn--mller-kva.example")
    plain = account("plain@example.com")

    normalize()

    assert email_of(user) == COMPOSED
    assert user.pending_email == "new@faß.example"
    assert user.email_verified_at == day(1)
    assert email_of(left) == "old@müller.example"
    assert email_of(row) == email_of(notification) == "bob@müller.example"
    assert email_of(plain) == "plain@example.com"


def test_account_confirmed_first_keeps_the_mailbox(normalize):
    never = account("ann@exam\u200bple.com", date_joined=day(1))
    second = account("ann@example.com", email_verified_at=day(3), date_joined=day(1))
    first = account("ann@exam\u00adple.com", email_verified_at=day(2), date_joined=day(2))

    normalize()

    assert email_of(first) == "ann@example.com"
    assert (first.email_verified_at, first.withdrawn_email) == (day(2), "")
    assert email_of(second) == f"withdrawn-{second.pk}@invalid"
    assert (second.email_verified_at, second.withdrawn_email) == (None, "ann@example.com")
    assert email_of(never) == f"withdrawn-{never.pk}@invalid"
    assert never.withdrawn_email == "ann@exam\u200bple.com"
    assert len(list(find_notes())) == 2


def test_oldest_unconfirmed_account_keeps_the_mailbox(normalize):
    younger = account(COMPOSED, date_joined=day(2))
    older = account(A_LABEL, date_joined=day(1))

    normalize()

    assert email_of(older) == COMPOSED
    assert email_of(younger) == f"withdrawn-{younger.pk}@invalid"


def test_invalid_address_is_withdrawn(normalize):
    user = account("ann@☃.example", email_verified_at=day(1))

    normalize()

    assert email_of(user) == f"withdrawn-{user.pk}@invalid"
    assert user.withdrawn_email == "ann@☃.example"


def test_confirmation_at_another_domain_is_revoked(normalize):
    user = account("x@faß.example", email_verified_at=day(1))
    left = FormerAddress.objects.create(user=user, email="old@faß.example")
    generation = user.token_generation

    normalize()

    assert email_of(user) == "x@faß.example"
    assert (user.email_verified_at, user.token_generation) == (None, generation + 1)
    assert not FormerAddress.objects.filter(pk=left.pk).exists()


def test_live_registrations_of_one_mailbox_stay_and_are_reported(normalize, clock):
    event = EventFactory()
    first = guest(event, A_LABEL)
    clock.shift(1)
    second = guest(event, DECOMPOSED)

    normalize()
    faults = list(find_faults())

    assert email_of(first) == COMPOSED
    assert email_of(second) == DECOMPOSED
    assert Registration.objects.live().count() == 2
    [fault] = faults
    assert fault.event_id == event.pk
    assert fault.detail == (
        f"registration {second.pk} has the mailbox of registration {first.pk} in another spelling"
    )
    with pytest.raises(CommandError, match="1 faults found"):
        call_command("check_integrity", stdout=StringIO(), stderr=StringIO())


def test_duplicate_registrations_of_past_events_are_notes(normalize, clock):
    event = EventFactory()
    guest(event, A_LABEL), guest(event, DECOMPOSED)
    normalize()

    clock.move_to(event.end_time)

    assert list(find_faults()) == []
    assert [note.split(":")[0] for note in find_notes()] == [f"event {event.pk}, which is over"]


def test_opt_outs_move_to_the_mailbox(normalize, clock):
    Unsubscription.objects.create(address_digest=_digest(DECOMPOSED), kind="organizer_message")
    guest(EventFactory(), DECOMPOSED)
    other = account("bea@example.com")

    normalize()

    assert opted_out_kinds(digest_of(COMPOSED)) == {"organizer_message"}
    assert opted_out_kinds(digest_of(other.email)) == set()
    assert not Unsubscription.objects.filter(address_digest=_digest(DECOMPOSED)).exists()


def test_sign_in_failures_move_to_the_mailbox(normalize):
    account(A_LABEL)
    failures = {"address": b"", "level": 3, "at": day(1)}
    SignInFailures.objects.create(account=account_digest(A_LABEL, is_canonical=True), **failures)

    normalize()

    assert bytes(SignInFailures.objects.get().account) == account_digest(COMPOSED)
