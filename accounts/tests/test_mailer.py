"""The mailer: contents of mails, recipients, errors, several mailers."""

import re
import time
from datetime import timedelta
from email import policy
from email.parser import BytesParser

import pytest
from django.core import mail as django_mail
from django.db import connection

from accounts.models import Notification
from accounts.notifications import notify, outbox
from accounts.notifications.composing import Mail
from accounts.notifications.inbox import inbox_of
from accounts.notifications.mailer import Mailer
from accounts.notifications.opt_outs import digest_of, opt_out
from accounts.notifications.transport import MailTransport
from accounts.tests.factories import UserFactory
from accounts.tests.kinds import GIF
from conftest import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("note_kinds")]


def enqueue(email: str = "bob@example.com", **fields) -> None:
    values = {"kind": "note", "key": f"to {email}", **fields}
    notify(values.pop("kind"), email=email, **values)


def deliver() -> None:
    """Delivers one batch."""
    mailer = Mailer()
    mailer.deliver_batch()
    mailer.close()


def row_of(email: str = "bob@example.com") -> Notification:
    return Notification.objects.get(email=email)


def sent() -> list:
    """The sent mails, as a mail client parses them."""
    parser = BytesParser(policy=policy.default)
    return [
        parser.parsebytes(mail.as_bytes().replace(b"\r\n", b"\n")) for mail in django_mail.outbox
    ]


# --- contents ---


def test_mail_has_text_and_html(clock):
    enqueue(facts={"timezone": "Asia/Kolkata"})

    deliver()

    [mail] = sent()
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert (mail["To"], mail["Subject"]) == ("bob@example.com", "Note: A & B")
    assert mail["From"] == "Events <events@localhost>"
    assert mail["Date"].datetime == NOW
    assert mail["Auto-Submitted"] == "auto-generated"
    assert text.get_content().startswith("Hello bob@example.com,\nA & B begins at 17:30 IST.\n")
    assert "<h1>A &amp; B</h1>" in html.get_content()
    row = row_of()
    assert (row.state, row.sent_at, row.attempts, row.claimed_by) == ("sent", NOW, 1, None)
    assert (row.subject, row.body, row.message_id) == (
        "Note: A & B", "About A & B", mail["Message-ID"],
    )  # fmt: skip


def test_times_are_in_the_zone_of_the_account(olga):
    enqueue(olga.email, user=olga, facts={"timezone": "Asia/Kolkata"})

    deliver()

    assert "14:00 CEST" in sent()[0].get_body(("plain",)).get_content()


def test_mails_of_an_event_are_one_thread(settings):
    settings.PUBLIC_URL = "https://events.example.org"
    for number in (1, 2):
        enqueue(f"{number}@example.com", event_id=7)
    enqueue("other@example.com", event_id=8)

    deliver()

    first, second, other = sent()
    assert first["References"] == first["In-Reply-To"] == second["References"]
    assert other["References"] != first["References"]
    assert first["Message-ID"] != second["Message-ID"]
    assert re.fullmatch(r"<\w{32}@events\.example\.org>", first["Message-ID"])


def test_files_are_attached_and_images_are_inline():
    enqueue(kind="ticket")

    deliver()

    [mail] = sent()
    [calendar] = mail.iter_attachments()
    image = next(part for part in mail.walk() if part.get_content_type() == "image/gif")
    assert (calendar.get_content_type(), calendar.get_param("method")) == (
        "text/calendar", "REQUEST",
    )  # fmt: skip
    assert calendar.get_filename() == "event.ics"
    assert calendar.get_content().split() == ["BEGIN:VCALENDAR", "SUMMARY:-"]
    assert (image["Content-ID"], image.get_content()) == ("<ticket>", GIF)
    assert mail.get_body(("html",)) is not None


def test_line_ends_of_a_calendar_file_are_unchanged(mail_server):
    enqueue(kind="ticket", facts={"name": "日本語" * 9})

    deliver()

    [calendar] = mail_server.mails[0].iter_attachments()
    assert calendar["Content-Transfer-Encoding"] == "base64"
    lines = "BEGIN:VCALENDAR", f"SUMMARY:{'日本語' * 9}", ""
    assert calendar.get_payload(decode=True) == "\r\n".join(lines).encode()


def test_switchable_kind_has_an_unsubscribe_link():
    enqueue()
    enqueue("ann@example.com", kind="secret")

    deliver()

    secret, note = sent()
    link = note["List-Unsubscribe"].strip("<>")
    assert link.startswith("http://localhost:8000/unsubscribe/?token=")
    assert note["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link in note.get_body(("plain",)).get_content()
    assert link in note.get_body(("html",)).get_content()
    assert secret["List-Unsubscribe"] is None
    assert "unsubscribe" not in secret.get_body(("plain",)).get_content()


def test_long_headers_are_not_folded(settings):
    settings.PUBLIC_URL = f"https://{'long.' * 20}example.org"
    enqueue()

    deliver()

    raw = django_mail.outbox[0].as_bytes()
    line = next(line for line in raw.split(b"\r\n") if line.startswith(b"List-Unsubscribe:"))
    assert line.endswith(b">")
    assert b"=?" not in line


@pytest.mark.parametrize("evil", ["x\r\nBcc: eve@example.com", "x\u2028Bcc: eve@example.com\x07"])
def test_line_break_in_a_name_adds_no_header(evil):
    enqueue(facts={"title": evil})

    deliver()

    [mail] = sent()
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Note: x Bcc: eve[at]example[.]com"


@pytest.mark.parametrize("title", ["Grüße " * 30, "日本語のイベント" * 20, "🎉" * 60, "x" * 400])
def test_subject_arrives_unchanged(title):
    enqueue(facts={"title": title})

    deliver()

    assert sent()[0]["Subject"] == " ".join(f"Note: {title}".split())[:255]
    assert max(map(len, django_mail.outbox[0].as_bytes().split(b"\n"))) < 998


def test_sender_and_domain_beyond_ascii_are_encoded(settings):
    settings.DEFAULT_FROM_EMAIL = '"Große, Feste" <feste@bücher.example>'
    enqueue("bob@bücher.example")

    deliver()

    [mail] = sent()
    assert mail["From"].addresses[0].display_name == "Große, Feste"
    assert mail["From"].addresses[0].addr_spec == "feste@xn--bcher-kva.example"
    assert mail["To"] == "bob@xn--bcher-kva.example"


# --- recipients ---


def test_obsolete_notification_is_dropped():
    enqueue(facts={"over": True})

    deliver()

    assert (row_of().state, sent()) == ("dropped", [])


def test_opted_out_notification_is_in_the_inbox(signed_in):
    ana = UserFactory()
    opt_out(digest_of(ana.email), ["note", "secret"])
    enqueue(ana.email, user=ana)
    enqueue(ana.email, key="secret", user=ana, kind="secret")

    deliver()

    assert len(sent()) == 1
    assert Notification.objects.get(kind="note").state == "shown"
    rows = signed_in(ana).get("/api/me/notifications/").json()["results"]
    assert [row["subject"] for row in rows] == ["Note: A & B"]


def test_opted_out_guest_gets_no_mail_of_the_kind():
    for kind in ("note", "secret"):
        opt_out(digest_of("bob@example.com"), [kind])
    for kind in ("note", "ticket", "secret"):
        enqueue(kind=kind, key=kind)

    deliver()

    assert sorted(Notification.objects.values_list("kind", "state")) == [
        ("note", "dropped"), ("secret", "sent"), ("ticket", "sent"),
    ]  # fmt: skip


@pytest.mark.parametrize("address", ["erased-7@invalid", "bob@load.invalid"])
def test_undeliverable_address_gets_no_mail(address):
    enqueue(address)
    enqueue("bob@example.notinvalid")

    deliver()

    assert [mail["To"] for mail in sent()] == ["bob@example.notinvalid"]
    assert row_of(address).state == "dropped"


def test_kind_without_mails_is_in_the_inbox_only(ana):
    enqueue(ana.email, user=ana, kind="quiet")

    deliver()

    assert (row_of(ana.email).state, sent()) == ("shown", [])


def test_notification_is_not_delivered_before_it_is_due(clock):
    enqueue(due_at=NOW + timedelta(hours=1))

    deliver()
    before = len(sent())
    clock.shift(3600)
    deliver()

    assert (before, len(sent())) == (0, 1)


def test_account_security_is_delivered_first(clock):
    enqueue("a@example.com")
    clock.shift(60)
    enqueue("b@example.com", kind="secret")

    deliver()

    assert [mail["To"] for mail in sent()] == ["b@example.com", "a@example.com"]


def test_account_security_precedes_a_long_queue(clock, monkeypatch):
    monkeypatch.setattr("accounts.notifications.mailer.BATCH", 2)
    for number in range(3):
        enqueue(f"{number}@example.com")
        clock.shift(1)
    clock.shift(60)
    enqueue("b@example.com", kind="secret")

    deliver()

    assert [mail["To"] for mail in sent()] == ["b@example.com", "0@example.com"]


def test_unknown_kind_is_deferred(clock):
    enqueue()
    Notification.objects.update(kind="of-tomorrow")

    deliver()

    row = row_of()
    assert (row.state, row.attempts, row.attempt_at) == ("pending", 0, NOW + timedelta(minutes=1))


def test_inbox_is_read_by_an_index(ana):
    Notification.objects.bulk_create(
        Notification(kind="note", key=str(n), email="a@b.c", user=ana if n % 50 == 0 else None)
        for n in range(5000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_notification")
    rows = inbox_of(ana).order_by("-is_unread", "-due_at", "-pk")[:20]

    plan = rows.explain()

    assert "Index Scan Backward using notification_inbox" in plan
    assert "Sort" not in plan


def test_batch_uses_a_fixed_number_of_queries(ana, django_assert_num_queries):
    mailer = Mailer()
    mailer.deliver_batch()
    enqueue("a@example.com")
    enqueue("b@example.com", user=ana)

    with django_assert_num_queries(2 + 1 + 1 + 2 * 2):  # claim, opt-outs, proven, two for each
        mailer.deliver_batch()
    mailer.close()


# --- errors ---


def test_failing_notification_is_retried_with_growing_delays_and_parked(clock):
    enqueue(kind="ticket", facts={"broken": True})

    delays = []
    for _ in range(outbox.LAST_ATTEMPT):
        deliver()
        row = row_of()
        delays.append((row.attempt_at - NOW).total_seconds())
        clock.move_to(row.attempt_at)
    clock.shift(10**6)
    deliver()

    intervals = [later - sooner for sooner, later in zip([0, *delays], delays[:-1], strict=False)]
    expected = [30, 120, 480, 1920, 7680, 21600, 21600]
    assert all(
        0.79 < interval / target < 1.21
        for interval, target in zip(intervals, expected, strict=True)
    )
    assert (row.state, row.attempts, row.error) == ("parked", 8, "ValueError: broken")
    assert row_of().attempts == 8


def test_notification_that_kills_mailers_is_parked(clock):
    enqueue()
    Notification.objects.update(attempts=outbox.LAST_ATTEMPT)

    deliver()

    assert (row_of().state, row_of().error, sent()) == ("parked", "No mailer survived it.", [])


def test_kind_that_fails_to_load_delays_no_other(monkeypatch):
    enqueue("a@example.com", kind="ticket", facts={"fault": True})
    enqueue("b@example.com")

    deliver()

    assert [mail["To"] for mail in sent()] == ["b@example.com"]
    assert (row_of("a@example.com").state, row_of("a@example.com").error) == (
        "pending", "LookupError: fault",
    )  # fmt: skip


def test_mails_share_one_connection(mail_server):
    for number in range(3):
        enqueue(f"{number}@example.com", facts={"title": "Ü\n.\nx"})

    deliver()

    assert sorted(mail_server.recipients) == [f"{number}@example.com" for number in range(3)]
    assert len(mail_server.sessions) == 1
    assert mail_server.mails[0].get_body(("plain",)).get_content().splitlines()[1:4] == [
        "Ü", ".", "x begins at 12:00 UTC.",
    ]  # fmt: skip


def test_rejected_sender_is_a_temporary_error(mail_server, clock):
    mail_server.refuses_sender = True
    enqueue()

    deliver()

    assert (row_of().state, row_of().error) == (
        "pending", "SMTPException: 550 5.7.1 Not from you",
    )  # fmt: skip


def test_closed_connection_is_reopened(mail_server, clock):
    enqueue("leaving@example.com")
    enqueue("bob@example.com")

    deliver()
    first = {row.email: row.attempts for row in Notification.objects.all()}
    Notification.objects.filter(email="leaving@example.com").update(state="dropped")
    clock.shift(60)
    deliver()

    assert first == {"leaving@example.com": 0, "bob@example.com": 0}
    assert mail_server.recipients == ["bob@example.com"]


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("gone@example.com", "Refused: 550 5.1.1 No such person"),
        ("spam@example.com", "Refused: 554 5.7.1 Looks like spam"),
    ],
)
def test_permanently_rejected_mail_is_parked_at_once(mail_server, address, error, clock):
    enqueue(address)
    enqueue("bob@example.com")

    deliver()
    clock.shift(10**6)
    deliver()

    row = row_of(address)
    assert (row.state, row.error, row.attempts) == ("parked", error, 1)
    assert mail_server.attempts[address] == 1
    assert mail_server.recipients == ["bob@example.com"]


def test_temporarily_rejected_mail_is_retried(mail_server, clock):
    enqueue("full@example.com")

    deliver()
    deliver()
    clock.shift(60)
    deliver()

    row = row_of("full@example.com")
    assert (row.state, row.attempts) == ("pending", 2)
    assert row.error == "SMTPException: 452 4.2.2 Mailbox full"
    assert mail_server.attempts["full@example.com"] == 2


def test_time_out_costs_an_attempt_and_delays_no_other_mail(mail_server, settings):
    settings.EMAIL_TIMEOUT = 0.3
    enqueue("hangs@example.com")

    deliver()

    row = row_of("hangs@example.com")
    assert (row.state, row.attempts) == ("pending", 1)
    assert row.error.startswith("SMTPServerDisconnected: ")


def test_unreachable_server_costs_no_attempt(settings, clock):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    for number in range(3):
        enqueue(f"{number}@example.com")

    deliver()

    for row in Notification.objects.all():
        assert (row.state, row.attempts, row.claimed_by) == ("pending", 0, None)
        assert 1 < (row.attempt_at - NOW).total_seconds() < 3


def test_server_that_shuts_down_costs_no_attempt(mail_server, clock):
    enqueue("closing@example.com")

    deliver()

    assert (row_of("closing@example.com").state, row_of("closing@example.com").attempts) == (
        "pending", 0,
    )  # fmt: skip


# --- afterwards ---


def test_parked_notification_is_sent_again(mail_server, clock):
    enqueue("gone@example.com")
    enqueue("bob@example.com")
    deliver()

    for row in Notification.objects.all():
        outbox.send_again(row)
    deliver()

    assert mail_server.attempts == {"gone@example.com": 2, "bob@example.com": 1}


def test_old_notifications_are_deleted(clock, settings, monkeypatch):
    monkeypatch.setattr(outbox, "_DELETED_AT_ONCE", 2)
    for number in range(5):
        enqueue(f"{number}@example.com")
    deliver()
    enqueue("later@example.com", due_at=NOW + timedelta(days=400))
    clock.shift(timedelta(days=89))
    enqueue("young@example.com")

    assert outbox.delete_old_notifications() == 0
    clock.shift(timedelta(days=2))
    assert outbox.delete_old_notifications() == 5
    left = set(Notification.objects.values_list("email", flat=True))
    assert left == {"later@example.com", "young@example.com"}


# --- several mailers ---


def test_claimed_notification_is_not_claimed_again(clock):
    enqueue()
    first = outbox.claim(1, 10)

    assert len(first) == 1
    assert outbox.claim(2, 10) == []
    assert outbox.begin(2, first[0]) is False


def test_claim_ends_with_its_lease(clock):
    enqueue()
    outbox.claim(1, 10)

    clock.shift(outbox.LEASE)

    assert len(outbox.claim(2, 10)) == 1


def test_claims_of_a_lost_mailer_are_released_at_the_second_check(clock):
    enqueue()
    enqueue("b@example.com")
    alive = outbox.mailers.register()
    outbox.claim(alive, 1)
    outbox.claim(12345, 1)

    suspects = outbox.mailers.release_orphaned(set())
    freed_at_once = Notification.objects.filter(claimed_by=None).count()
    outbox.mailers.release_orphaned(suspects)

    assert suspects == {12345}
    assert freed_at_once == 0
    assert Notification.objects.get(claimed_by=None).attempt_at == NOW
    outbox.mailers.unregister(alive)


def test_mailer_without_its_claim_sends_nothing(clock, monkeypatch):
    enqueue()
    monkeypatch.setattr("accounts.notifications.mailer.outbox.begin", lambda *_: False)

    deliver()

    assert sent() == []


@pytest.mark.django_db(transaction=True)
def test_mail_is_recorded_once_its_read_only_database_is_replaced(monkeypatch):
    def send(transport: MailTransport, mail: Mail) -> None:
        sends.append(mail)
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")  # until it reconnects

    sends: list[Mail] = []
    enqueue()
    monkeypatch.setattr(MailTransport, "send", send)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    deliver()

    assert (len(sends), row_of().state) == (1, Notification.State.SENT)


@pytest.mark.parametrize("rows", [1000])
def test_due_notifications_are_read_by_an_index(rows):
    Notification.objects.bulk_create(
        Notification(kind="note", key=str(n), email="a@b.c", state="sent") for n in range(rows)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_notification")
        cursor.execute("EXPLAIN " + outbox._CLAIM % {
            "now": "now()", "limit": "100", "mailer": "1", "until": "now()",
        })  # fmt: skip
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "notification_due" in plan
