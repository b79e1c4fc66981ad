"""The budget of a mailbox that no account has confirmed: five mails an hour.

Of the tests' kinds `secret` has the share of account security, `called_off` that of cancelled
events. Each share has one mail of its own, and account security gets two at most.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core import mail as django_mail
from django.db import connection

from accounts.models import MailboxBudget, Notification
from accounts.notifications import notify
from accounts.notifications.budget import Budgets, delete_old_budgets
from accounts.notifications.kinds import Share
from accounts.notifications.mailer import Mailer
from accounts.notifications.opt_outs import digest_of, opt_out
from accounts.notifications.outbox import OVER_BUDGET
from accounts.services.addresses import take_address
from accounts.tests.factories import UserFactory
from conftest import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("note_kinds", "clock")]

VICTIM = "victim@example.com"
KIND_OF_SHARE = {
    Share.SECURITY: "secret",
    Share.CANCELLED_EVENT: "called_off",
    Share.OTHER: "note",
}


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mailbox": (5, 3600)}


def enqueue(number: object, kind: str = "note", email: str = VICTIM, **fields) -> None:
    notify(kind, key=f"{kind}:{email}:{number}", email=email, **fields)


def deliver() -> list:
    """The mails of one batch."""
    before = len(django_mail.outbox)
    mailer = Mailer()
    mailer.deliver_batch()
    mailer.close()
    return django_mail.outbox[before:]


def subjects() -> list[str]:
    return [mail.subject for mail in deliver()]


def test_mailbox_gets_five_mails_an_hour_of_all_kinds(clock):
    received = []

    for minute in range(300):
        enqueue(minute, KIND_OF_SHARE[tuple(Share)[minute % 3]])
        received += [minute] * len(deliver())
        clock.shift(60)

    in_an_hour = [sum(start <= at < start + 60 for at in received) for start in range(300)]
    assert max(in_an_hour) == 5
    assert len(received) >= 20


def test_each_mailbox_has_its_own_budget(clock):
    for number in range(5):
        enqueue(number, "secret")
    deliver()

    enqueue(0, email="bob@example.com")

    assert [mail.to for mail in deliver()] == [["bob@example.com"]]


def test_all_spellings_of_an_address_share_a_budget(clock):
    for spelling in ("ann@müller.example", "ANN@Müller.example", "ann@xn--mller-kva.example"):
        for number in range(3):
            enqueue(f"{spelling} {number}", email=spelling)
            deliver()

    assert len(django_mail.outbox) == 3
    assert len(MailboxBudget.objects.get().sent_at) == 3


def test_notifications_beyond_the_budget_are_merged_by_kind(clock):
    for number in range(7):
        enqueue(number, facts={"title": f"N{number}"})
    enqueue(0, "ticket", facts={"title": "T"})

    mails = deliver()

    assert [mail.subject for mail in mails] == ["Note: N0 (and 6 more)", "Note: T"]
    for number in range(7):
        assert f"\nNote: N{number}\nAbout N{number}\n" in mails[0].text
        assert f"<strong>Note: N{number}</strong><br>About N{number}" in mails[0].html
    assert "unsubscribe/?token=" in mails[0].headers["List-Unsubscribe"]
    assert set(Notification.objects.values_list("state", flat=True)) == {"sent"}
    assert Notification.objects.filter(message_id=mails[0].headers["Message-ID"]).count() == 7


def test_notifications_beyond_the_budget_are_deferred(clock):
    for number in range(3):
        enqueue(number)
        deliver()
        clock.shift(60)
    enqueue("fourth", facts={"title": "Fourth"})
    enqueue("fifth", facts={"title": "Fifth"})

    assert deliver() == []
    waiting = Notification.objects.filter(state="pending")
    assert {(row.attempts, row.attempt_at) for row in waiting} == {
        (0, NOW + timedelta(hours=1, seconds=1))
    }
    assert {row.error for row in waiting} == {"The mailbox has got all the e-mails of its budget."}

    clock.move_to(NOW + timedelta(hours=1, seconds=1))
    assert subjects() == ["Note: Fourth (and 1 more)"]
    assert not Notification.objects.exclude(state="sent").exists()
    assert set(Notification.objects.values_list("error", flat=True)) == {""}


@pytest.mark.parametrize("share", Share)
def test_each_share_has_a_mail_that_the_others_cannot_use(clock, share):
    for number in range(6):
        for other, kind in KIND_OF_SHARE.items():
            if other is not share:
                enqueue(number, kind, user=UserFactory())
                deliver()

    enqueue("one", KIND_OF_SHARE[share])

    assert subjects() == ["Note: A & B"]
    assert len(django_mail.outbox) == 5


@pytest.mark.parametrize(
    ("share", "number"), [(Share.SECURITY, 2), (Share.CANCELLED_EVENT, 3), (Share.OTHER, 3)]
)
def test_share_is_smaller_than_the_budget(clock, share, number):
    for row in range(9):
        enqueue(row, KIND_OF_SHARE[share], user=UserFactory())
        deliver()

    assert len(django_mail.outbox) == number


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("share", Share)
def test_shares_do_not_divide_a_budget_smaller_than_their_number(settings, share, limit):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mailbox": (limit, 3600)}
    for number in range(3):
        enqueue(number, KIND_OF_SHARE[share], user=UserFactory())
        deliver()

    assert len(django_mail.outbox) == (1 if share is Share.SECURITY else limit)


def test_vital_mails_precede_others_in_the_next_period(clock):
    for number, kind in enumerate(["note", "note", "note", "called_off", "secret"]):
        enqueue(number, kind)
        deliver()
    enqueue("note")
    enqueue("confirm", "secret")
    deliver()

    clock.shift(3600)

    mails = deliver()
    assert [mail.headers.get("List-Unsubscribe") for mail in mails] == [None]
    clock.shift(1)
    assert len(deliver()) == 1


def test_last_of_repeated_security_mails_is_sent(clock):
    max_ = UserFactory(email=VICTIM)
    for number in range(8):
        enqueue(number, "secret", user=max_)

    assert len(deliver()) == 1
    assert Counter(Notification.objects.values_list("state", "error")) == {
        ("sent", ""): 1,
        ("dropped", "A later one says the same."): 7,
    }


def test_notification_deferred_for_a_day_is_given_up_unless_vital(clock):
    enqueue("late")
    enqueue("late", "secret")
    Notification.objects.update(due_at=NOW - timedelta(days=1), error=OVER_BUDGET)
    MailboxBudget.objects.create(mailbox=digest_of(VICTIM), sent_at=[NOW] * 5)

    assert deliver() == []

    states = dict(Notification.objects.values_list("kind", "state"))
    assert states == {"note": "dropped", "secret": "pending"}


def test_notification_due_during_a_long_outage_is_deferred(clock):
    enqueue("late")
    Notification.objects.update(due_at=NOW - timedelta(days=2))
    MailboxBudget.objects.create(mailbox=digest_of(VICTIM), sent_at=[NOW] * 5)

    assert deliver() == []

    assert Notification.objects.get().state == "pending"
    clock.shift(3601)
    assert len(deliver()) == 1


def test_proven_mailbox_gets_every_mail(clock):
    ana = UserFactory(email_verified_at=NOW)
    for number in range(12):
        enqueue(number, email=ana.email, user=ana)
        enqueue(number, "ticket", email=ana.email)  # as a guest

    assert len(deliver()) == 24
    assert not MailboxBudget.objects.exists()


def test_unsolicited_mails_to_a_proven_mailbox_are_counted(clock):
    ana = UserFactory(email_verified_at=NOW)
    for number in range(6):
        enqueue(number, email=ana.email, facts={"is_unsolicited": True})
        enqueue(number, "ticket", email=ana.email, facts={"title": f"T{number}"})
        deliver()

    assert len(MailboxBudget.objects.get().sent_at) == 3
    assert len(django_mail.outbox) == 3 + 6


@pytest.mark.parametrize(
    "fields",
    [{}, {"email_verified_at": NOW, "is_active": False}],
    ids=["unconfirmed", "closed"],
)
def test_unconfirmed_account_does_not_prove_a_mailbox(clock, fields):
    max_ = UserFactory(**fields)
    for number in range(12):
        enqueue(number, email=max_.email, user=max_)

    assert len(deliver()) == 1


def test_recent_former_address_is_proven(clock, ana):
    ana.former_addresses.create(email="before@example.com")
    for number in range(12):
        enqueue(number, email="before@example.com")

    assert len(deliver()) == 12


def test_deferred_notifications_are_sent_once_the_mailbox_is_proven(clock):
    for number in range(9):
        enqueue(number)
        deliver()

    UserFactory(email=VICTIM, email_verified_at=NOW)
    clock.shift(3601)

    assert len(deliver()) == 6


def test_deferred_notifications_are_due_with_the_confirmation(clock):
    max_ = UserFactory(email=VICTIM)
    for number in range(9):
        enqueue(number)
        deliver()

    take_address(max_)

    assert len(deliver()) == 6


def test_inbox_shows_deferred_notifications_without_defanging(clock, signed_in):
    max_ = UserFactory(email=VICTIM)
    for number in range(6):
        enqueue(number, user=max_, facts={"title": f"{number} at evil.example"})
        deliver()

    rows = signed_in(max_).get("/api/me/notifications/").json()["results"]

    assert [row["subject"] for row in reversed(rows)] == [
        f"Note: {number} at evil.example" for number in range(6)
    ]


def test_opted_out_notification_uses_no_budget(clock):
    opt_out(digest_of(VICTIM), ["note"])
    for number in range(9):
        enqueue(number)
    enqueue(0, "ticket")

    assert len(deliver()) == 1
    assert len(MailboxBudget.objects.get().sent_at) == 1


def test_rejected_mail_is_not_counted(mail_server, clock):
    for address in ("full@example.com", "gone@example.com", "closing@example.com"):
        enqueue(0, email=address)

    deliver()

    assert [budget.sent_at for budget in MailboxBudget.objects.all()] == [[], [], []]


def test_mail_that_fails_to_render_is_not_counted(clock):
    enqueue(0, "ticket", facts={"broken": True})

    deliver()

    assert Notification.objects.get().attempts == 1
    assert MailboxBudget.objects.get().sent_at == []


def test_mail_with_a_lost_claim_is_not_counted(clock, monkeypatch):
    monkeypatch.setattr("accounts.notifications.outbox.begin", lambda mailer, row: False)
    enqueue(0)

    deliver()

    assert MailboxBudget.objects.get().sent_at == []


def test_mail_beyond_the_limit_of_its_organizer_uses_no_budget(clock, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "caused_mails": (1, 86400)}
    for number in range(2):
        enqueue(number, facts={"caused_by": 7})
        deliver()

    assert len(django_mail.outbox) == 1
    assert len(MailboxBudget.objects.get().sent_at) == 1


def test_mail_beyond_the_budget_is_not_counted_for_its_organizer(clock, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "caused_mails": (2, 86400)}
    MailboxBudget.objects.create(mailbox=digest_of(VICTIM), sent_at=[NOW] * 2)
    enqueue(0, facts={"caused_by": 7})
    enqueue(0, "ticket", facts={"caused_by": 7})
    first = len(deliver())

    enqueue(0, email="bob@example.com", facts={"caused_by": 7})

    assert (first, len(deliver())) == (1, 1)


def test_merged_mail_is_of_one_organizer(clock, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "caused_mails": (1, 86400)}
    for number in range(8):
        enqueue(number, facts={"caused_by": number % 2})

    assert subjects() == ["Note: A & B (and 3 more)"] * 2
    enqueue("bob", email="bob@example.com", facts={"caused_by": 1})
    assert subjects() == []


def test_give_back_removes_the_own_mail(clock):
    slow, quick = Budgets([VICTIM]), Budgets([VICTIM])
    slow.take(VICTIM, Share.SECURITY)
    clock.shift(300)
    quick.take(VICTIM, Share.SECURITY)
    quick.take(VICTIM, Share.OTHER)

    slow.give_back(VICTIM)

    budget = MailboxBudget.objects.get()
    assert budget.sent_at == [NOW + timedelta(seconds=300)] * 2
    assert budget.shares == ["security", "other"]


def test_give_back_removes_one_mail_once(clock):
    mailer, other = Budgets([VICTIM]), Budgets([VICTIM])
    mailer.take(VICTIM, Share.OTHER)
    other.take(VICTIM, Share.OTHER)

    mailer.give_back(VICTIM)
    mailer.give_back(VICTIM)

    assert MailboxBudget.objects.get().sent_at == [NOW]


def test_mails_without_shares_of_an_earlier_version_are_counted(clock):
    MailboxBudget.objects.create(mailbox=digest_of(VICTIM), sent_at=[NOW] * 2)

    left = {share: Budgets([VICTIM]).left(VICTIM, share) for share in Share}

    assert left == {Share.SECURITY: 2, Share.CANCELLED_EVENT: 2, Share.OTHER: 1}


def test_mail_with_an_unknown_outcome_is_counted(mail_server, settings):
    settings.EMAIL_TIMEOUT = 0.3
    enqueue(0, email="hangs@example.com")

    deliver()

    assert len(MailboxBudget.objects.get().sent_at) == 1


def test_failed_notification_is_not_merged(clock):
    for number in range(6):
        enqueue(number)
    Notification.objects.filter(key__endswith=":0").update(attempts=1)

    assert subjects() == ["Note: A & B", "Note: A & B (and 4 more)"]


def test_notifications_of_a_rejected_merged_mail_are_retried_alone(mail_server, clock):
    for number in range(6):
        enqueue(number, email="spam@example.com")

    deliver()
    first = set(Notification.objects.values_list("state", "attempts"))
    clock.shift(60)
    deliver()

    assert first == {("pending", 1)}
    assert set(Notification.objects.values_list("state", "attempts")) == {("parked", 2)}
    assert mail_server.attempts["spam@example.com"] == 7


def test_mailbox_without_a_limit_gets_every_mail(clock, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mailbox": None}
    for number in range(12):
        enqueue(number)

    assert len(deliver()) == 12
    assert not MailboxBudget.objects.exists()


def test_old_budgets_are_deleted(clock):
    enqueue(0)
    deliver()
    clock.shift(1800)
    enqueue(0, email="bob@example.com")
    deliver()

    clock.shift(1800)

    assert delete_old_budgets() == 1
    assert MailboxBudget.objects.get().mailbox == digest_of("bob@example.com")


@pytest.mark.django_db(transaction=True)
def test_concurrent_mailers_share_a_budget():
    def take(number: int) -> bool:
        try:
            return Budgets({VICTIM}).take(VICTIM, tuple(Share)[number % 3])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, range(24)))

    assert taken.count(True) == 5
