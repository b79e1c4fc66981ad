"""The pages behind the links of e-mails, in a real browser, used with the keyboard only."""

from collections.abc import Iterator

import pytest
from django.test import Client

from accounts.links import confirmation_link, reset_link
from accounts.models import Notification
from accounts.notifications.preferences import preferences_of
from accounts.notifications.unsubscribing import unsubscribe_url
from accounts.tests.factories import PASSWORD, UserFactory
from config.tests.browser import Tab, find_browser, open_browser, views
from events.links import invitation_link
from events.services.team import invite
from events.tests.factories import EventFactory
from registrations.models import DoorLink, Registration
from registrations.tests.factories import registered
from registrations.tickets import manage_link

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(find_browser() is None, reason="no Chromium here"),
]


@pytest.fixture
def phone(live_server, settings) -> Iterator[Tab]:
    settings.PUBLIC_URL = live_server.url
    with open_browser(find_browser(), width=360) as tab:
        yield tab


def test_the_pages_are_usable_with_the_keyboard(phone):
    """One test for all pages: a browser takes two seconds to start."""
    ana = UserFactory(username="ana")
    event = EventFactory(name="Donaudampfschifffahrtselektrizitätenhauptbetriebswerk")
    registration = registered(event, name="Bob")

    phone.open(confirmation_link(ana))
    assert phone.overflow == 0
    phone.tab_to("password")
    phone.type(PASSWORD)
    phone.press("Enter", loads=True)
    assert "Your e-mail address is confirmed" in phone.text

    phone.open(confirmation_link(UserFactory(username="eve")))
    phone.tab_to("I do not know the password")
    phone.press("Enter")
    assert phone.overflow == 0
    for field in ("password", "again"):
        phone.tab_to(field)
        phone.type("another-horse-battery-7")
    phone.press("Enter", loads=True)
    assert "Sign in with the new password." in phone.text

    ana.refresh_from_db()
    phone.open(reset_link(ana))
    for field in ("password", "again"):
        phone.tab_to(field)
        phone.type("another-horse-battery-7")
    phone.press("Enter", loads=True)
    assert "Your new password is set" in phone.text

    phone.open(manage_link(registration.pk))
    assert phone.overflow == 0
    assert phone.evaluate("document.querySelector('.ticket').naturalWidth") > 0
    phone.tab_to("name")
    phone.evaluate("document.activeElement.select()")
    phone.type("Bob Ray")
    phone.press("Enter", loads=True)
    assert "The name is corrected." in phone.text
    phone.tab_to("I cannot come")
    phone.press("Enter")
    phone.tab_to("cancel")
    phone.press("Enter", loads=True)
    assert "Your registration is cancelled." in phone.text

    invitation = invite(event, email="new@example.com", role="door", by=event.organizer)
    phone.open(invitation_link(invitation.pk))
    assert phone.overflow == 0
    for field in ("password", "again"):
        phone.tab_to(field)
        phone.type("another-horse-battery-7")
    phone.tab_to("accept")
    phone.press("Enter", loads=True)
    assert "You accepted the invitation" in phone.text
    known = invite(event, email=ana.email, role="door", by=event.organizer)
    phone.open(invitation_link(known.pk))
    assert phone.overflow == 0
    phone.tab_to("accept")
    phone.press("Enter", loads=True)
    assert "You accepted the invitation" in phone.text
    declined = invite(event, email="other@example.com", role="door", by=event.organizer)
    phone.open(invitation_link(declined.pk))
    phone.tab_to("decline")
    phone.press("Enter", loads=True)
    assert "You declined the invitation" in phone.text

    notification = Notification(kind="registration_confirmed", user=ana, email=ana.email)
    phone.open(unsubscribe_url(notification))
    assert phone.overflow == 0
    phone.tab_to("Send me no more of them")
    phone.press("Enter", loads=True)
    assert "You get no more e-mails of the kind Registration confirmed." in phone.text
    phone.tab_to("again")
    phone.press("Enter", loads=True)
    assert "You get these e-mails again" in phone.text

    ana.refresh_from_db()
    [registration] = Registration.objects.all()
    assert dict(event.team.values_list("email", "state")) == {
        "new@example.com": "active",
        ana.email: "active",
        "other@example.com": "declined",
    }
    assert ana.email_verified
    assert preferences_of(ana)["registration_confirmed"] is True
    assert ana.check_password("another-horse-battery-7")
    assert (registration.name, registration.status) == ("Bob Ray", "cancelled")
    assert phone.complaints == []
    assert phone.evaluate("document.referrer") == ""


@pytest.fixture
def desk(live_server, settings) -> Iterator[Tab]:
    settings.PUBLIC_URL = live_server.url
    with open_browser(find_browser(), width=1280, height=900) as tab:
        yield tab


def test_columns_of_the_admin_fit_1280_pixels(desk, live_server, olga):
    staff = UserFactory(username="root", is_staff=True, is_superuser=True)
    event = EventFactory(
        organizer=olga,
        name="Donaudampfschifffahrt auf der Wachau",
        location="Landungsbrücke 3, Dürnstein an der Donau, Niederösterreich",
        timezone="America/Argentina/ComodRivadavia",
    )
    registered(event, email="alexandros.papadopoulos.of.the.long.address@example.com")
    client = Client()
    client.force_login(staff)
    desk.open(f"{live_server.url}/admin/login/")
    desk.evaluate(f"document.cookie = 'sessionid={client.cookies['sessionid'].value}; path=/'")
    hidden = "(t => t.scrollWidth - t.parentElement.clientWidth)"

    for path in ("events/event", "registrations/registration", "accounts/user",
                 "accounts/notification", "accounts/session"):  # fmt: skip
        desk.open(f"{live_server.url}/admin/{path}/")

        assert desk.overflow == 0, path
        list_width = "document.querySelector('#result_list')"
        assert desk.evaluate(f"{list_width} ? {hidden}({list_width}) : 0") == 0, path
    desk.open(f"{live_server.url}/admin/")
    top = "(s => document.querySelector(s).getBoundingClientRect().top)"
    assert desk.evaluate(f"{top}('#content-related') - {top}('#content-main')") < 10


@pytest.mark.parametrize(("width", "scheme", "scripts"), views((390, "dark", False)))
def test_staff_make_and_withdraw_a_door_link(live_server, settings, olga, width, scheme, scripts):
    """With the keyboard only, from signing in to the page that says that the link has ended."""
    settings.PUBLIC_URL = live_server.url
    UserFactory(username="root", is_staff=True, is_superuser=True)
    event = EventFactory(organizer=olga, name="Night of science")
    rows = f"{live_server.url}/admin/registrations/doorlink/?event__id__exact={event.pk}"

    with open_browser(find_browser(), width=width, height=900) as tab:
        tab.prefer(scheme)
        tab.switch_scripts(on=scripts)

        def enter(field: str, text: str) -> None:
            tab.tab_to(field)
            tab.type(text)

        tab.open(f"{live_server.url}/admin/login/?next=/admin/events/event/{event.pk}/change/")
        tab.evaluate("document.activeElement.blur()")
        enter("username", "root@example.com")
        enter("password", PASSWORD)
        tab.press("Enter", loads=True)
        tab.tab_to("Make a door link", most=200)
        tab.press("Enter", loads=True)
        tab.evaluate("document.activeElement.blur()")
        tab.tab_to("name", most=60)
        tab.type("Main entrance")
        tab.press("Enter", loads=True)
        address = tab.evaluate("document.getElementById('url').value")
        assert "Night of science: Main entrance" in tab.text
        assert tab.overflow == 0
        assert [line for line in tab.complaints if "Content Security" in line] == []
        tab.open(address)
        assert "Main entrance" in tab.text

        tab.open(rows)
        tab.tab_to("_selected_action", most=60)
        tab.press("Space")
        tab.evaluate("document.querySelector('[name=action]').focus()")
        tab.press("ArrowDown")
        tab.tab_to("index")
        tab.press("Enter", loads=True)
        tab.tab_to("Yes, I’m sure", most=60)
        tab.press("Enter", loads=True)
        assert "Withdrew 1 door link." in tab.text
        tab.open(address)
        assert "This link has ended" in tab.text

    assert DoorLink.objects.get().withdrawn_at is not None
