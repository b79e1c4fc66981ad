"""What a mailbox gets before an account has confirmed its address: five mails an hour.

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


def tell(number: object, kind: str = "note", email: str = VICTIM, **fields) -> None:
    notify(kind, key=f"{kind}:{email}:{number}", email=email, **fields)


def deliver() -> list:
    """The mails of one look at what is due."""
    before = len(django_mail.outbox)
    mailer = Mailer()
    mailer.deliver_batch()
    mailer.close()
    return django_mail.outbox[before:]


def subjects() -> list[str]:
    return [mail.subject for mail in deliver()]


def test_a_mailbox_gets_five_mails_an_hour_whatever_their_kinds(clock):
    received = []

    for minute in range(300):
        tell(minute, KIND_OF_SHARE[tuple(Share)[minute % 3]])
        received += [minute] * len(deliver())
        clock.shift(60)

    in_an_hour = [sum(start <= at < start + 60 for at in received) for start in range(300)]
    assert max(in_an_hour) == 5
    assert len(received) >= 20


def test_other_mailboxes_have_budgets_of_their_own(clock):
    for number in range(5):
        tell(number, "secret")
    deliver()

    tell(0, email="bob@example.com")

    assert [mail.to for mail in deliver()] == [["bob@example.com"]]


def test_every_spelling_of_an_address_is_one_mailbox(clock):
    for spelling in ("ann@müller.example", "ANN@Müller.example", "ann@xn--mller-kva.example"):
        for number in range(3):
            tell(f"{spelling} {number}", email=spelling)
            deliver()

    assert len(django_mail.outbox) == 3
    assert len(MailboxBudget.objects.get().sent_at) == 3


def test_more_than_the_budget_has_left_is_one_mail_of_each_kind(clock):
    for number in range(7):
        tell(number, facts={"title": f"N{number}"})
    tell(0, "ticket", facts={"title": "T"})

    mails = deliver()

    assert [mail.subject for mail in mails] == ["Note: N0 (and 6 more)", "Note: T"]
    for number in range(7):
        assert f"\nNote: N{number}\nAbout N{number}\n" in mails[0].text
        assert f"<strong>Note: N{number}</strong><br>About N{number}" in mails[0].html
    assert "unsubscribe/?token=" in mails[0].headers["List-Unsubscribe"]
    assert set(Notification.objects.values_list("state", flat=True)) == {"sent"}
    assert Notification.objects.filter(message_id=mails[0].headers["Message-ID"]).count() == 7


def test_what_is_beyond_the_budget_is_deferred_and_sent_later(clock):
    for number in range(3):
        tell(number)
        deliver()
        clock.shift(60)
    tell("fourth", facts={"title": "Fourth"})
    tell("fifth", facts={"title": "Fifth"})

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
                tell(number, kind, user=UserFactory())
                deliver()

    tell("one", KIND_OF_SHARE[share])

    assert subjects() == ["Note: A & B"]
    assert len(django_mail.outbox) == 5


@pytest.mark.parametrize(
    ("share", "number"), [(Share.SECURITY, 2), (Share.CANCELLED_EVENT, 3), (Share.OTHER, 3)]
)
def test_a_share_is_not_the_whole_budget(clock, share, number):
    for row in range(9):
        tell(row, KIND_OF_SHARE[share], user=UserFactory())
        deliver()

    assert len(django_mail.outbox) == number


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("share", Share)
def test_a_budget_smaller_than_the_number_of_shares_is_for_all_of_them(settings, share, limit):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mailbox": (limit, 3600)}
    for number in range(3):
        tell(number, KIND_OF_SHARE[share], user=UserFactory())
        deliver()

    assert len(django_mail.outbox) == (1 if share is Share.SECURITY else limit)


def test_vital_mails_go_first_when_there_is_a_mail_again(clock):
    for number, kind in enumerate(["note", "note", "note", "called_off", "secret"]):
        tell(number, kind)
        deliver()
    tell("note")
    tell("confirm", "secret")
    deliver()

    clock.shift(3600)

    mails = deliver()
    assert [mail.headers.get("List-Unsubscribe") for mail in mails] == [None]
    clock.shift(1)
    assert len(deliver()) == 1


def test_of_several_that_say_the_same_of_an_account_the_last_is_sent(clock):
    max_ = UserFactory(email=VICTIM)
    for number in range(8):
        tell(number, "secret", user=max_)

    assert len(deliver()) == 1
    assert Counter(Notification.objects.values_list("state", "error")) == {
        ("sent", ""): 1,
        ("dropped", "A later one says the same."): 7,
    }


def test_what_was_deferred_for_a_day_is_given_up_unless_it_is_vital(clock):
    tell("late")
    tell("late", "secret")
    Notification.objects.update(due_at=NOW - timedelta(days=1), error=OVER_BUDGET)
    MailboxBudget.objects.create(mailbox=digest_of(VICTIM), sent_at=[NOW] * 5)

    assert deliver() == []

    states = dict(Notification.objects.values_list("kind", "state"))
    assert states == {"note": "dropped", "secret": "pending"}


def test_what_was_due_during_an_outage_of_a_day_is_deferred_like_other_mails(clock):
    tell("late")
    Notification.objects.update(due_at=NOW - timedelta(days=2))
    MailboxBudget.objects.create(mailbox=digest_of(VICTIM), sent_at=[NOW] * 5)

    assert deliver() == []

    assert Notification.objects.get().state == "pending"
    clock.shift(3601)
    assert len(deliver()) == 1


def test_a_proven_mailbox_gets_every_mail(clock):
    ana = UserFactory(email_verified_at=NOW)
    for number in range(12):
        tell(number, email=ana.email, user=ana)
        tell(number, "ticket", email=ana.email)  # as a guest

    assert len(deliver()) == 24
    assert not MailboxBudget.objects.exists()


def test_of_a_proven_mailbox_only_what_is_unsolicited_is_counted(clock):
    ana = UserFactory(email_verified_at=NOW)
    for number in range(6):
        tell(number, email=ana.email, facts={"is_unsolicited": True})
        tell(number, "ticket", email=ana.email, facts={"title": f"T{number}"})
        deliver()

    assert len(MailboxBudget.objects.get().sent_at) == 3
    assert len(django_mail.outbox) == 3 + 6


@pytest.mark.parametrize(
    "fields",
    [{}, {"email_verified_at": NOW, "is_active": False}],
    ids=["unconfirmed", "closed"],
)
def test_an_account_without_confirmation_does_not_prove_a_mailbox(clock, fields):
    max_ = UserFactory(**fields)
    for number in range(12):
        tell(number, email=max_.email, user=max_)

    assert len(deliver()) == 1


def test_the_address_that_an_account_left_lately_is_proven(clock, ana):
    ana.former_addresses.create(email="before@example.com")
    for number in range(12):
        tell(number, email="before@example.com")

    assert len(deliver()) == 12


def test_a_mailbox_gets_the_rest_once_it_is_proven(clock):
    for number in range(9):
        tell(number)
        deliver()

    UserFactory(email=VICTIM, email_verified_at=NOW)
    clock.shift(3601)

    assert len(deliver()) == 6


def test_what_was_deferred_is_due_as_soon_as_the_address_is_confirmed(clock):
    max_ = UserFactory(email=VICTIM)
    for number in range(9):
        tell(number)
        deliver()

    take_address(max_)

    assert len(deliver()) == 6


def test_the_inbox_shows_at_once_what_is_deferred_and_as_it_was_written(clock, signed_in):
    max_ = UserFactory(email=VICTIM)
    for number in range(6):
        tell(number, user=max_, facts={"title": f"{number} at evil.example"})
        deliver()

    shown = signed_in(max_).get("/api/me/notifications/").json()["results"]

    assert [row["subject"] for row in reversed(shown)] == [
        f"Note: {number} at evil.example" for number in range(6)
    ]


def test_an_opt_out_uses_nothing_of_the_budget(clock):
    opt_out(digest_of(VICTIM), ["note"])
    for number in range(9):
        tell(number)
    tell(0, "ticket")

    assert len(deliver()) == 1
    assert len(MailboxBudget.objects.get().sent_at) == 1


def test_a_mail_that_the_server_did_not_take_is_not_counted(mail_server, clock):
    for address in ("full@example.com", "gone@example.com", "closing@example.com"):
        tell(0, email=address)

    deliver()

    assert [budget.sent_at for budget in MailboxBudget.objects.all()] == [[], [], []]


def test_a_mail_that_cannot_be_written_is_not_counted(clock):
    tell(0, "ticket", facts={"broken": True})

    deliver()

    assert Notification.objects.get().attempts == 1
    assert MailboxBudget.objects.get().sent_at == []


def test_a_mail_that_another_mailer_has_claimed_is_not_counted(clock, monkeypatch):
    monkeypatch.setattr("accounts.notifications.outbox.begin", lambda mailer, row: False)
    tell(0)

    deliver()

    assert MailboxBudget.objects.get().sent_at == []


def test_a_mail_that_its_cause_may_not_send_uses_nothing_of_the_budget(clock, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "caused_mails": (1, 86400)}
    for number in range(2):
        tell(number, facts={"caused_by": 7})
        deliver()

    assert len(django_mail.outbox) == 1
    assert len(MailboxBudget.objects.get().sent_at) == 1


def test_a_mail_beyond_the_budget_is_not_counted_for_its_cause(clock, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "caused_mails": (2, 86400)}
    MailboxBudget.objects.create(mailbox=digest_of(VICTIM), sent_at=[NOW] * 2)
    tell(0, facts={"caused_by": 7})
    tell(0, "ticket", facts={"caused_by": 7})
    first = len(deliver())

    tell(0, email="bob@example.com", facts={"caused_by": 7})

    assert (first, len(deliver())) == (1, 1)


def test_mails_of_several_causes_are_several_mails(clock, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "caused_mails": (1, 86400)}
    for number in range(8):
        tell(number, facts={"caused_by": number % 2})

    assert subjects() == ["Note: A & B (and 3 more)"] * 2
    tell("bob", email="bob@example.com", facts={"caused_by": 1})
    assert subjects() == []


def test_a_mailer_gives_back_the_mail_that_it_took(clock):
    slow, quick = Budgets([VICTIM]), Budgets([VICTIM])
    slow.take(VICTIM, Share.SECURITY)
    clock.shift(300)
    quick.take(VICTIM, Share.SECURITY)
    quick.take(VICTIM, Share.OTHER)

    slow.give_back(VICTIM)

    budget = MailboxBudget.objects.get()
    assert budget.sent_at == [NOW + timedelta(seconds=300)] * 2
    assert budget.shares == ["security", "other"]


def test_a_mailer_gives_back_a_mail_once(clock):
    mailer, other = Budgets([VICTIM]), Budgets([VICTIM])
    mailer.take(VICTIM, Share.OTHER)
    other.take(VICTIM, Share.OTHER)

    mailer.give_back(VICTIM)
    mailer.give_back(VICTIM)

    assert MailboxBudget.objects.get().sent_at == [NOW]


def test_a_budget_without_shares_of_an_earlier_version_is_counted(clock):
    MailboxBudget.objects.create(mailbox=digest_of(VICTIM), sent_at=[NOW] * 2)

    left = {share: Budgets([VICTIM]).left(VICTIM, share) for share in Share}

    assert left == {Share.SECURITY: 2, Share.CANCELLED_EVENT: 2, Share.OTHER: 1}


def test_a_mail_whose_fate_is_open_is_counted(mail_server, settings):
    settings.EMAIL_TIMEOUT = 0.3
    tell(0, email="hangs@example.com")

    deliver()

    assert len(MailboxBudget.objects.get().sent_at) == 1


def test_what_failed_once_goes_by_itself(clock):
    for number in range(6):
        tell(number)
    Notification.objects.filter(key__endswith=":0").update(attempts=1)

    assert subjects() == ["Note: A & B", "Note: A & B (and 4 more)"]


def test_of_several_in_a_mail_that_is_refused_each_is_tried_by_itself(mail_server, clock):
    for number in range(6):
        tell(number, email="spam@example.com")

    deliver()
    first = set(Notification.objects.values_list("state", "attempts"))
    clock.shift(60)
    deliver()

    assert first == {("pending", 1)}
    assert set(Notification.objects.values_list("state", "attempts")) == {("parked", 2)}
    assert mail_server.attempts["spam@example.com"] == 7


def test_without_a_limit_a_mailbox_gets_every_mail(clock, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mailbox": None}
    for number in range(12):
        tell(number)

    assert len(deliver()) == 12
    assert not MailboxBudget.objects.exists()


def test_budgets_of_the_past_are_forgotten(clock):
    tell(0)
    deliver()
    clock.shift(1800)
    tell(0, email="bob@example.com")
    deliver()

    clock.shift(1800)

    assert delete_old_budgets() == 1
    assert MailboxBudget.objects.get().mailbox == digest_of("bob@example.com")


@pytest.mark.django_db(transaction=True)
def test_mailers_at_one_moment_share_a_budget():
    def take(number: int) -> bool:
        try:
            return Budgets({VICTIM}).take(VICTIM, tuple(Share)[number % 3])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, range(24)))

    assert taken.count(True) == 5
