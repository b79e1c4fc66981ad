"""The mailer: what is sent, to whom, and what becomes of what cannot be."""

import re
from datetime import timedelta
from email import policy
from email.parser import BytesParser

import pytest
from django.core import mail as django_mail
from django.db import connection

from accounts.models import Notification
from accounts.notifications import notify, outbox
from accounts.notifications.inbox import inbox_of
from accounts.notifications.mailer import Mailer
from accounts.notifications.opt_outs import digest_of, opt_out
from accounts.tests.factories import UserFactory
from accounts.tests.kinds import GIF
from conftest import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("note_kinds")]


def tell(email: str = "bob@example.com", **fields) -> None:
    values = {"kind": "note", "key": f"to {email}", **fields}
    notify(values.pop("kind"), email=email, **values)


def deliver() -> None:
    """One look at what is due."""
    mailer = Mailer()
    mailer.deliver_batch()
    mailer.close()


def row_of(email: str = "bob@example.com") -> Notification:
    return Notification.objects.get(email=email)


def sent() -> list:
    """What reached the outbox, as a mail reader parses it."""
    parser = BytesParser(policy=policy.default)
    return [parser.parsebytes(mail.message().as_bytes()) for mail in django_mail.outbox]


# --- what a mail is like ---


def test_a_mail_has_text_and_html(clock):
    tell(facts={"timezone": "Asia/Kolkata"})

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


def test_an_account_reads_times_in_its_own_zone(olga):
    tell(olga.email, user=olga, facts={"timezone": "Asia/Kolkata"})

    deliver()

    assert "14:00 CEST" in sent()[0].get_body(("plain",)).get_content()


def test_the_mails_of_an_event_are_one_thread(settings):
    settings.PUBLIC_URL = "https://events.example.org"
    for number in (1, 2):
        tell(f"{number}@example.com", event_id=7)
    tell("other@example.com", event_id=8)

    deliver()

    first, second, other = sent()
    assert first["References"] == first["In-Reply-To"] == second["References"]
    assert other["References"] != first["References"]
    assert first["Message-ID"] != second["Message-ID"]
    assert re.fullmatch(r"<\w{32}@events\.example\.org>", first["Message-ID"])


def test_files_go_along_and_images_go_inside():
    tell(kind="ticket")

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


def test_a_calendar_file_keeps_its_line_ends(mail_server):
    tell(kind="ticket", facts={"name": "日本語" * 9})

    deliver()

    [calendar] = mail_server.mails[0].iter_attachments()
    assert calendar["Content-Transfer-Encoding"] == "base64"
    lines = "BEGIN:VCALENDAR", f"SUMMARY:{'日本語' * 9}", ""
    assert calendar.get_payload(decode=True) == "\r\n".join(lines).encode()


def test_a_kind_that_can_be_switched_off_says_how():
    tell()
    tell("ann@example.com", kind="secret")

    deliver()

    secret, note = sent()
    link = note["List-Unsubscribe"].strip("<>")
    assert link.startswith("http://localhost:8000/unsubscribe/?token=")
    assert note["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link in note.get_body(("plain",)).get_content()
    assert link in note.get_body(("html",)).get_content()
    assert secret["List-Unsubscribe"] is None
    assert "unsubscribe" not in secret.get_body(("plain",)).get_content()


def test_headers_stay_in_one_piece(settings):
    settings.PUBLIC_URL = f"https://{'long.' * 20}example.org"
    tell()

    deliver()

    raw = django_mail.outbox[0].message().as_bytes(linesep="\r\n")
    line = next(line for line in raw.split(b"\r\n") if line.startswith(b"List-Unsubscribe:"))
    assert line.endswith(b">")
    assert b"=?" not in line


@pytest.mark.parametrize("evil", ["x\r\nBcc: eve@example.com", "x\u2028Bcc: eve@example.com\x07"])
def test_a_line_break_in_a_name_makes_no_header(evil):
    tell(facts={"title": evil})

    deliver()

    [mail] = sent()
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Note: x Bcc: eve[at]example[.]com"


@pytest.mark.parametrize("title", ["Grüße " * 30, "日本語のイベント" * 20, "🎉" * 60, "x" * 400])
def test_any_subject_arrives_as_it_was(title):
    tell(facts={"title": title})

    deliver()

    assert sent()[0]["Subject"] == " ".join(f"Note: {title}".split())[:255]
    assert max(map(len, django_mail.outbox[0].message().as_bytes().split(b"\n"))) < 998


def test_any_sender_and_domain_can_be_written(settings):
    settings.DEFAULT_FROM_EMAIL = '"Große, Feste" <feste@bücher.example>'
    tell("bob@bücher.example")

    deliver()

    [mail] = sent()
    assert mail["From"].addresses[0].display_name == "Große, Feste"
    assert mail["From"].addresses[0].addr_spec == "feste@xn--bcher-kva.example"
    assert mail["To"] == "bob@xn--bcher-kva.example"


# --- who gets one ---


def test_what_no_longer_holds_is_dropped():
    tell(facts={"over": True})

    deliver()

    assert (row_of().state, sent()) == ("dropped", [])


def test_who_switched_mails_off_finds_it_in_the_inbox(signed_in):
    ana = UserFactory()
    opt_out(digest_of(ana.email), ["note", "secret"])
    tell(ana.email, user=ana)
    tell(ana.email, key="secret", user=ana, kind="secret")

    deliver()

    assert len(sent()) == 1
    assert Notification.objects.get(kind="note").state == "shown"
    shown = signed_in(ana).get("/api/me/notifications/").json()["results"]
    assert [row["subject"] for row in shown] == ["Note: A & B"]


def test_who_unsubscribed_as_a_guest_gets_none_of_that_kind():
    for kind in ("note", "secret"):
        opt_out(digest_of("bob@example.com"), [kind])
    for kind in ("note", "ticket", "secret"):
        tell(kind=kind, key=kind)

    deliver()

    assert sorted(Notification.objects.values_list("kind", "state")) == [
        ("note", "dropped"), ("secret", "sent"), ("ticket", "sent"),
    ]  # fmt: skip


@pytest.mark.parametrize("address", ["erased-7@invalid", "bob@load.invalid"])
def test_nowhere_gets_no_mail(address):
    tell(address)
    tell("bob@example.notinvalid")

    deliver()

    assert [mail["To"] for mail in sent()] == ["bob@example.notinvalid"]
    assert row_of(address).state == "dropped"


def test_a_kind_without_mails_is_shown_alone(ana):
    tell(ana.email, user=ana, kind="quiet")

    deliver()

    assert (row_of(ana.email).state, sent()) == ("shown", [])


def test_nobody_is_told_before_it_is_due(clock):
    tell(due_at=NOW + timedelta(hours=1))

    deliver()
    before = len(sent())
    clock.shift(3600)
    deliver()

    assert (before, len(sent())) == (0, 1)


def test_account_security_goes_first(clock):
    tell("a@example.com")
    clock.shift(60)
    tell("b@example.com", kind="secret")

    deliver()

    assert [mail["To"] for mail in sent()] == ["b@example.com", "a@example.com"]


def test_a_long_queue_does_not_hold_up_account_security(clock, monkeypatch):
    monkeypatch.setattr("accounts.notifications.mailer.BATCH", 2)
    for number in range(3):
        tell(f"{number}@example.com")
        clock.shift(1)
    clock.shift(60)
    tell("b@example.com", kind="secret")

    deliver()

    assert [mail["To"] for mail in sent()] == ["b@example.com", "0@example.com"]


def test_a_kind_of_a_newer_version_waits(clock):
    tell()
    Notification.objects.update(kind="of-tomorrow")

    deliver()

    row = row_of()
    assert (row.state, row.attempts, row.attempt_at) == ("pending", 0, NOW + timedelta(minutes=1))


def test_the_inbox_is_found_by_an_index(ana):
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


def test_a_batch_takes_a_fixed_number_of_queries(ana, django_assert_num_queries):
    mailer = Mailer()
    mailer.deliver_batch()
    tell("a@example.com")
    tell("b@example.com", user=ana)

    with django_assert_num_queries(2 + 1 + 1 + 2 * 2):  # claim, opt-outs, proven, two for each
        mailer.deliver_batch()
    mailer.close()


# --- what cannot be sent ---


def test_what_fails_is_tried_ever_more_rarely_and_then_parked(clock):
    tell(kind="ticket", facts={"broken": True})

    delays = []
    for _ in range(outbox.LAST_ATTEMPT):
        deliver()
        row = row_of()
        delays.append((row.attempt_at - NOW).total_seconds())
        clock.move_to(row.attempt_at)
    clock.shift(10**6)
    deliver()

    waits = [later - sooner for sooner, later in zip([0, *delays], delays[:-1], strict=False)]
    expected = [30, 120, 480, 1920, 7680, 21600, 21600]
    assert all(0.79 < wait / target < 1.21 for wait, target in zip(waits, expected, strict=True))
    assert (row.state, row.attempts, row.error) == ("parked", 8, "ValueError: broken")
    assert row_of().attempts == 8


def test_what_no_mailer_survives_is_parked(clock):
    tell()
    Notification.objects.update(attempts=outbox.LAST_ATTEMPT)

    deliver()

    assert (row_of().state, row_of().error, sent()) == ("parked", "No mailer survived it.", [])


def test_a_kind_whose_facts_cannot_be_loaded_holds_nobody_up(monkeypatch):
    tell("a@example.com", kind="ticket", facts={"fault": True})
    tell("b@example.com")

    deliver()

    assert [mail["To"] for mail in sent()] == ["b@example.com"]
    assert (row_of("a@example.com").state, row_of("a@example.com").error) == (
        "pending", "LookupError: fault",
    )  # fmt: skip


def test_a_real_server_gets_each_mail_over_one_connection(mail_server):
    for number in range(3):
        tell(f"{number}@example.com", facts={"title": "Ü\n.\nx"})

    deliver()

    assert sorted(mail_server.recipients) == [f"{number}@example.com" for number in range(3)]
    assert len(mail_server.sessions) == 1
    assert mail_server.mails[0].get_body(("plain",)).get_content().splitlines()[1:4] == [
        "Ü", ".", "x begins at 12:00 UTC.",
    ]  # fmt: skip


def test_the_sender_is_never_refused_for_good(mail_server, clock):
    mail_server.refuses_sender = True
    tell()

    deliver()

    assert (row_of().state, row_of().error) == (
        "pending", "SMTPException: 550 5.7.1 Not from you",
    )  # fmt: skip


def test_a_server_that_closes_is_called_anew(mail_server, clock):
    tell("leaving@example.com")
    tell("bob@example.com")

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
def test_what_is_refused_for_good_is_parked_at_once(mail_server, address, error, clock):
    tell(address)
    tell("bob@example.com")

    deliver()
    clock.shift(10**6)
    deliver()

    row = row_of(address)
    assert (row.state, row.error, row.attempts) == ("parked", error, 1)
    assert mail_server.attempts[address] == 1
    assert mail_server.recipients == ["bob@example.com"]


def test_what_is_refused_for_now_is_tried_again(mail_server, clock):
    tell("full@example.com")

    deliver()
    deliver()
    clock.shift(60)
    deliver()

    row = row_of("full@example.com")
    assert (row.state, row.attempts) == ("pending", 2)
    assert row.error == "SMTPException: 452 4.2.2 Mailbox full"
    assert mail_server.attempts["full@example.com"] == 2


def test_a_server_that_hangs_costs_the_mail_an_attempt_and_holds_nobody_up(mail_server, settings):
    settings.EMAIL_TIMEOUT = 0.3
    tell("hangs@example.com")

    deliver()

    row = row_of("hangs@example.com")
    assert (row.state, row.attempts) == ("pending", 1)
    assert row.error.startswith("SMTPServerDisconnected: ")


def test_a_server_that_is_away_costs_no_attempt(settings, clock):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    for number in range(3):
        tell(f"{number}@example.com")

    deliver()

    for row in Notification.objects.all():
        assert (row.state, row.attempts, row.claimed_by) == ("pending", 0, None)
        assert 1 < (row.attempt_at - NOW).total_seconds() < 3


def test_a_server_that_goes_down_costs_no_attempt(mail_server, clock):
    tell("closing@example.com")

    deliver()

    assert (row_of("closing@example.com").state, row_of("closing@example.com").attempts) == (
        "pending", 0,
    )  # fmt: skip


# --- afterwards ---


def test_what_was_given_up_is_sent_again(mail_server, clock):
    tell("gone@example.com")
    tell("bob@example.com")
    deliver()

    for row in Notification.objects.all():
        outbox.send_again(row)
    deliver()

    assert mail_server.attempts == {"gone@example.com": 2, "bob@example.com": 1}


def test_what_was_told_long_ago_is_forgotten(clock, settings, monkeypatch):
    monkeypatch.setattr(outbox, "_DELETED_AT_ONCE", 2)
    for number in range(5):
        tell(f"{number}@example.com")
    deliver()
    tell("later@example.com", due_at=NOW + timedelta(days=400))
    clock.shift(timedelta(days=89))
    tell("young@example.com")

    assert outbox.delete_old_notifications() == 0
    clock.shift(timedelta(days=2))
    assert outbox.delete_old_notifications() == 5
    left = set(Notification.objects.values_list("email", flat=True))
    assert left == {"later@example.com", "young@example.com"}


# --- more than one mailer ---


def test_what_one_mailer_has_no_other_takes(clock):
    tell()
    first = outbox.claim(1, 10)

    assert len(first) == 1
    assert outbox.claim(2, 10) == []
    assert outbox.begin(2, first[0]) is False


def test_a_lease_ends(clock):
    tell()
    outbox.claim(1, 10)

    clock.shift(outbox.LEASE)

    assert len(outbox.claim(2, 10)) == 1


def test_what_a_mailer_had_that_is_gone_is_free_after_two_looks(clock):
    tell()
    tell("b@example.com")
    alive = outbox.enlist()
    outbox.claim(alive, 1)
    outbox.claim(12345, 1)

    suspects = outbox.release_orphaned_claims(set())
    freed_at_once = Notification.objects.filter(claimed_by=None).count()
    outbox.release_orphaned_claims(suspects)

    assert suspects == {12345}
    assert freed_at_once == 0
    assert Notification.objects.get(claimed_by=None).attempt_at == NOW
    outbox.leave(alive)


def test_a_mailer_that_lost_its_claim_sends_nothing(clock, monkeypatch):
    tell()
    monkeypatch.setattr("accounts.notifications.mailer.outbox.begin", lambda *_: False)

    deliver()

    assert sent() == []


@pytest.mark.parametrize("rows", [1000])
def test_what_is_due_is_found_by_an_index(rows):
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
