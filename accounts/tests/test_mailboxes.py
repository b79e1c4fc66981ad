"""Accounts: all spellings of a mailbox are one identity, and mails reach exactly that mailbox."""

import logging
from io import StringIO

import pytest
from django.core import mail as django_mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from accounts import services
from accounts.lockout import account_digest
from accounts.models import Notification, SignInFailures, User
from accounts.notifications import notify
from accounts.notifications.mailer import Mailer
from accounts.notifications.transport import MailTransport, ServerUnavailable
from accounts.services import confirm_email
from accounts.tests.factories import PASSWORD, UserFactory, grant
from accounts.tests.mail_server import MailServer, running
from registrations.services.integrity import find_notes

pytestmark = pytest.mark.django_db

COMPOSED, DECOMPOSED = "ann@müller.example", "ann@mu\u0308ller.example"
A_LABEL = "Ann@xn--mller-kva.example"


def sign_up(client, email: str, **fields):
    return client.post("/api/register/", {"email": email, "password": PASSWORD, **fields})


def errors_of(response) -> list[tuple]:
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


def deliver() -> None:
    mailer = Mailer()
    mailer.deliver_batch()
    mailer.close()


def stored_as(user: User, email: str) -> None:
    """Stores an address as an earlier version did."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET email = %s WHERE id = %s", [email, user.pk])


@pytest.fixture
def ann(db) -> User:
    return UserFactory(username="ann", email=COMPOSED)


@pytest.fixture
def withdrawn(ann) -> User:
    """An account whose mailbox is ann's."""
    return UserFactory(
        username="ann2", email="withdrawn-0@invalid", withdrawn_email="ann@müller.example."
    )


@pytest.mark.parametrize("email", [COMPOSED, DECOMPOSED, A_LABEL, " ann@MÜLLER.example. "])
def test_mailbox_has_one_account(anyone, ann, email):
    response = sign_up(anyone, email)

    assert response.status_code == 400
    assert errors_of(response) == [("email", "unique")]


@pytest.mark.parametrize("email", [DECOMPOSED, A_LABEL])
def test_responses_show_the_domain_as_people_write_it(anyone, email):
    response = sign_up(anyone, email)

    assert response.status_code == 201
    assert response.json()["email"] == COMPOSED
    assert response.json()["username"] == "ann"


def test_domains_that_look_alike_are_distinct(anyone):
    statuses = [sign_up(anyone, f"x@{name}.example").status_code for name in ("faß", "fass")]

    assert statuses == [201, 201]


@pytest.mark.parametrize(
    "email",
    ["ann@exam\u200bple.com", "ann@exam\u00adple.com", "\u202eann@example.com",
     "ann@☃.example", f"{'a' * 65}@example.com", "josé@example.com"],
)  # fmt: skip
def test_invalid_address_is_rejected(anyone, email):
    response = sign_up(anyone, email)

    assert response.status_code == 400
    assert errors_of(response) == [("email", "invalid")]
    assert not User.objects.exists()


@pytest.mark.parametrize("login", [COMPOSED, DECOMPOSED, A_LABEL, "ANN@müller.example"])
def test_every_spelling_signs_in(anyone, ann, login):
    response = anyone.post("/api/login/", {"email": login, "password": PASSWORD})

    assert response.status_code == 200
    assert response.json()["user"]["email"] == COMPOSED


def test_failures_of_all_spellings_are_counted_together(anyone, ann, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "login": (10_000, 60)}
    settings.SIGN_IN_FAILURES = 3
    for login in (COMPOSED, DECOMPOSED, A_LABEL):
        anyone.post("/api/login/", {"email": login, "password": "wrong"})

    response = anyone.post("/api/login/", {"email": COMPOSED, "password": PASSWORD})

    assert response.status_code == 429
    assert SignInFailures.objects.filter(account=account_digest(A_LABEL)).exists()


def test_all_spellings_share_a_cooldown(anyone, ann):
    statuses = [
        anyone.post("/api/password/reset/", {"email": email}).status_code
        for email in (COMPOSED, DECOMPOSED, A_LABEL)
    ]

    deliver()

    assert statuses == [202, 202, 202]
    assert len(django_mail.outbox) == 1


@pytest.mark.parametrize("email", [COMPOSED, DECOMPOSED, A_LABEL])
def test_reset_accepts_every_spelling(anyone, ann, email):
    anyone.post("/api/password/reset/", {"email": email})

    deliver()

    [mail] = django_mail.outbox
    assert mail.to == [COMPOSED]
    assert mail.recipients() == ["ann@xn--mller-kva.example"]


def test_another_spelling_is_no_change_of_address(ann, signed_in):
    confirm_email(ann)

    response = signed_in(ann).patch("/api/me/", {"email": A_LABEL})

    assert response.json()["email"] == COMPOSED
    assert response.json()["pending_email"] is None


@pytest.mark.parametrize("search", [COMPOSED, DECOMPOSED, A_LABEL, "müller"])
def test_user_search_accepts_every_spelling(ann, sam, signed_in, search):
    UserFactory(username="other")

    response = signed_in(grant(sam, "accounts.view_user")).get("/api/users/", {"search": search})

    assert [user["email"] for user in response.json()["results"]] == [COMPOSED]


@pytest.mark.parametrize("search", [COMPOSED, DECOMPOSED, A_LABEL])
def test_admin_search_accepts_every_spelling(ann, search):
    browser = Client()
    browser.force_login(UserFactory(is_staff=True, is_superuser=True))

    page = browser.get("/admin/accounts/user/", {"q": search}).content.decode()

    assert "1 user" in page
    assert COMPOSED in page


def test_admin_saves_the_canonical_spelling(ann):
    browser = Client()
    browser.force_login(UserFactory(is_staff=True, is_superuser=True))
    form = {"username": "bea", "role": "organizer", "timezone": "UTC", "usable_password": "true"}
    form |= {"password1": PASSWORD, "password2": PASSWORD}

    taken = browser.post("/admin/accounts/user/add/", {**form, "email": A_LABEL})
    made = browser.post("/admin/accounts/user/add/", {**form, "email": "Bea@xn--mller-kva.example"})

    assert "An account has this address already." in taken.content.decode()
    assert made.status_code == 302
    assert User.objects.get(username="bea").email == "bea@müller.example"


def test_commands_accept_every_spelling(ann, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)

    with pytest.raises(CommandError, match="An account has this address already"):
        call_command("createsuperuser", interactive=False, email=A_LABEL, stdout=StringIO())
    call_command(
        "createsuperuser", interactive=False, email="Root@xn--mller-kva.example", stdout=StringIO()
    )

    assert User.objects.get(is_superuser=True).email == "root@müller.example"


def test_database_refuses_upper_case(ann):
    with pytest.raises(Exception, match="email_lower_case"):
        stored_as(ann, "Ann@müller.example")


# --- the envelope ---


@pytest.mark.parametrize(
    ("email", "recipient"),
    [
        ("x@faß.example", "x@xn--fa-hia.example"),
        ("x@fass.example", "x@fass.example"),
        (A_LABEL, "ann@xn--mller-kva.example"),
        ("x@βόλος.example", "x@xn--nxasmm1c.example"),
        ("x@نامه\u200cای.com", "x@xn--mgba3gch31f060k.com"),
        ('"x@y"@example.com', '"x@y"@example.com'),
    ],
)
def test_mail_is_sent_to_exactly_the_given_domain(anyone, mail_server, email, recipient):
    sign_up(anyone, email, username="ann")
    anyone.post("/api/password/reset/", {"email": email})

    deliver()

    assert dict(mail_server.attempts) == {recipient: 2}
    assert mail_server.recipients == [recipient, recipient]


def test_local_part_beyond_ascii_is_sent_by_smtputf8(anyone, settings):
    settings.SMTPUTF8 = True
    server = MailServer(smtputf8=True)
    with running(server):
        settings.EMAIL_BACKEND = "accounts.notifications.backends.SmtpBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        sign_up(anyone, "JOSE\u0301@müller.example", username="jose")
        sign_up(anyone, "ann@example.com")
        deliver()

    assert dict(server.attempts) == {"josé@xn--mller-kva.example": 1, "ann@example.com": 1}
    assert "SMTPUTF8" in server.options["josé@xn--mller-kva.example"]
    assert "SMTPUTF8" not in server.options["ann@example.com"]
    assert sorted(server.recipients) == ["ann@example.com", "josé@xn--mller-kva.example"]


def test_server_without_smtputf8_gets_no_mail_and_the_log_has_the_reason(
    anyone, mail_server, settings, caplog
):
    settings.SMTPUTF8 = True
    sign_up(anyone, "josé@example.com", username="jose")

    with caplog.at_level(logging.WARNING):
        deliver()

    assert mail_server.mails == []
    assert "the mail server does not offer SMTPUTF8. Set SMTPUTF8=off" in caplog.text
    assert Notification.objects.get().state == "pending"
    with pytest.raises(ServerUnavailable):
        MailTransport().send(None)


@pytest.mark.usefixtures("note_kinds")
def test_mail_to_an_invalid_address_is_parked(mail_server):
    notify("note", key="1", email="ann@exam\u200bple.com")

    deliver()

    row = Notification.objects.get()
    assert (row.state, row.error) == (
        "parked", "Refused: InvalidAddress: Remove the invisible character U+200B."
    )  # fmt: skip
    assert not mail_server.attempts


# --- accounts without a mailbox ---


def test_account_without_a_mailbox_signs_in_by_name_or_former_address(anyone, withdrawn):
    User.objects.filter(username="ann").update(password="!")
    for login in ("ann2", "ann@müller.example."):
        response = anyone.post("/api/login/", {"email": login, "password": PASSWORD})

        assert response.status_code == 200
        assert response.json()["user"] == {
            **response.json()["user"],
            "id": withdrawn.pk,
            "email": "ann@müller.example.",
            "email_verified": False,
            "must_change_email": True,
        }


def test_owner_of_the_mailbox_precedes_at_sign_in(anyone, ann, withdrawn):
    response = anyone.post("/api/login/", {"email": "ann@müller.example.", "password": PASSWORD})

    assert response.json()["user"]["id"] == ann.pk
    assert "must_change_email" not in response.json()["user"]


def test_account_without_a_mailbox_must_change_its_address_first(withdrawn, signed_in):
    client = signed_in(withdrawn)
    plan = {"name": "Talk", "location": "Hall", "start_time": "2030-01-01T10:00:00Z"}

    refused = client.post("/api/events/", plan)
    read = client.get("/api/me/")
    taken = client.patch("/api/me/", {"email": COMPOSED})
    given = client.put("/api/me/", {**read.json(), "email": "ann2@example.com"})
    created = client.post("/api/events/", plan)

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert "PATCH /api/me/" in refused.json()["detail"]
    assert read.json()["must_change_email"] is True
    assert errors_of(taken) == [("email", "unique")]
    assert given.json()["email"] == "ann2@example.com"
    assert "must_change_email" not in given.json()
    assert created.status_code == 201
    assert list(Notification.objects.values_list("kind", "email")) == [
        ("confirm_address", "ann2@example.com")
    ]


def test_account_without_a_mailbox_can_be_deleted(withdrawn, signed_in):
    response = signed_in(withdrawn).delete("/api/me/", {"password": PASSWORD})

    withdrawn.refresh_from_db()
    assert response.status_code == 204
    assert withdrawn.withdrawn_email == ""


def test_account_without_a_mailbox_cannot_be_confirmed(withdrawn, signed_in):
    signed_in(withdrawn).post("/api/email/verify/resend/")

    assert not Notification.objects.exists()
    with pytest.raises(services.addresses.PreconditionFailed):
        confirm_email(withdrawn)


def test_accounts_without_a_mailbox_are_reported(ann, withdrawn):
    out = StringIO()

    call_command("check_integrity", stdout=out)

    [note] = find_notes()
    assert note == (
        f"account {withdrawn.pk} (ann2) has to give another e-mail address: "
        f"the one that it had is that of account {ann.pk}"
    )
    assert f"note: account {withdrawn.pk} (ann2)" in out.getvalue()
