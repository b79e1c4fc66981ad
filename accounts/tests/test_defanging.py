"""Mails to unconfirmed mailboxes contain only the service's own links."""

from dataclasses import dataclass

import pytest
from django.core import mail as django_mail

from accounts.models import User
from accounts.notifications import notify
from accounts.notifications.defanging import defanged_facts, defanged_text
from accounts.notifications.mailer import Mailer
from accounts.tests.factories import UserFactory
from conftest import NOW


@pytest.mark.parametrize(
    ("text", "defanged"),
    [
        ("https://evil.example/x", "https[:]//evil[.]example/x"),
        ("HTTP://EVIL.EXAMPLE", "HTTP[:]//EVIL[.]EXAMPLE"),
        ("ftp://1.2.3.4/x", "ftp[:]//1[.]2.3.4/x"),
        ("http:\\\\evil.example", "http[:]\\ \\evil[.]example"),
        ("see evil.example/x!", "see evil[.]example/x!"),
        ("(evil.com)", "(evil[.]com)"),
        ("a.b.c.evil.co.uk", "a.b.c[.]evil[.]co[.]uk"),
        ("www.1and1.com", "www[.]1and1[.]com"),
        ("evil.xn--p1ai", "evil[.]xn--p1ai"),
        ("пример.рф", "пример[.]рф"),
        ("उदाहरण.कॉम", "उदाहरण[.]कॉम"),
        ("例え.テスト", "例え[.]テスト"),
        ("evil。com", "evil[.]com"),
        ("evil．com", "evil[.]com"),
        ("evil.\u200bcom", "evil[.]\u200bcom"),
        ("ev\u00adil.com", "ev\u00adil[.]com"),
        ("💩.la", "💩[.]la"),
        ("ann@evil.example", "ann[at]evil[.]example"),
        ("root@localhost", "root[at]localhost"),
        ("mailto:ann", "mailto[:]ann"),
        ("tel:+123456", "tel[:]+123456"),
        ("\\\\server\\share", "\\ \\server\\share"),
    ],
)
def test_linkable_text_is_defanged(text, defanged):
    assert defanged_text(text) == defanged


@pytest.mark.parametrize(
    "text",
    [
        "Talk & Tea at 14.30, room 2.1 (v2.0)",
        "It ends. Then we eat... or not?!",
        "Made in the U.S.A. by e.g. Dr. No",
        "Cost: 10 EUR, ratio 1:2, @olga",
        "今日は雨です。明日は晴れです。",
        "10.5",
    ],
)
def test_other_text_is_unchanged(text):
    assert defanged_text(text) == text


@dataclass
class Place:
    name: str
    owner: User

    def label(self) -> str:
        return f"at {self.name}"


def test_text_in_nested_facts_is_defanged(settings):
    settings.PUBLIC_URL = "https://events.example.org"
    place = Place("evil.example", User(username="ann.evil.example", email="bob@example.com"))

    facts = defanged_facts(
        {
            "place": place,
            "notes": ["x.example", {"y": "z.example"}],
            "number": 3,
            "link": "https://events.example.org/confirm/?token=1.2-x_y",
            "manage_url": "https://events.example.org.evil.example/",
            "feedback_url": "https://events.example.org/ https://evil.example",
            "in_full": "https://events.example.org/reset-password/?token=1.2-x_y",
        },
        recipient="bob@example.com",
    )

    guarded = facts.pop("place")
    assert (guarded.name, guarded.label()) == ("evil[.]example", "at evil[.]example")
    assert guarded.owner.username == "ann[.]evil[.]example"
    assert guarded.owner.email == "bob@example.com"  # the recipient's own address
    assert str(guarded.owner) == "ann[.]evil[.]example"
    assert facts == {
        "notes": ["x[.]example", {"y": "z[.]example"}],
        "number": 3,
        "link": "https://events.example.org/confirm/?token=1.2-x_y",
        "manage_url": "https[:]//events[.]example[.]org[.]evil[.]example/",
        "feedback_url": "https[:]//events[.]example[.]org/ https[:]//evil[.]example",
        "in_full": "https[:]//events[.]example[.]org/reset-password/?token=1.2-x_y",
        "is_guarded": True,
    }


@pytest.mark.django_db
@pytest.mark.usefixtures("note_kinds", "clock")
@pytest.mark.parametrize(
    ("is_confirmed", "title"),
    [(True, "Win at https://evil.example"), (False, "Win at https[:]//evil[.]example")],
)
def test_text_for_a_confirmed_mailbox_is_unchanged(is_confirmed, title):
    ana = UserFactory(email_verified_at=NOW if is_confirmed else None)
    facts = {"title": "Win at https://evil.example"}
    notify("note", key="note", email=ana.email, user=ana, facts=facts)

    mailer = Mailer()
    mailer.deliver_batch()
    mailer.close()

    [mail] = django_mail.outbox
    assert mail.subject == f"Note: {title}"
    assert f"\n{title} begins at" in mail.text
    assert f"<h1>{title}</h1>" in mail.html
    assert f">About {title}</div>" in mail.html  # the preview
