"""axe on every page for people, in light and dark, on a phone and on a desk.

`make client-tools` installs axe. Without it or without Chromium the test is skipped.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from accounts.links import confirmation_link, reset_link
from accounts.models import Notification
from accounts.notifications.unsubscribing import unsubscribe_url
from accounts.tests.factories import UserFactory
from config.tests.browser import Tab, find_browser, open_browser
from events.links import invitation_link, page_path
from events.models import Event
from events.services import cancel_event
from events.services.team import invite
from events.tests.factories import CategoryFactory, EventFactory
from registrations.models import Feedback
from registrations.services import cancel_registration, create_door_link, register_caller
from registrations.tests.factories import registered
from registrations.tickets import confirmation_token, manage_link

from .test_page_questions import ALL_TYPES, DIET, DINNER, asked

AXE = Path(django_settings.BASE_DIR) / ".ci/clients/node_modules/axe-core/axe.min.js"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(find_browser() is None, reason="no Chromium here"),
    pytest.mark.skipif(not AXE.exists(), reason="no axe here: make client-tools"),
]

# `passes` too, since a run that checks nothing has no findings either.
_CHECK = """axe.run(document, {resultTypes: ["violations"]}).then((found) => [
    found.passes.length,
    found.violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html}`)),
])"""
_VIEWS = [(390, "dark"), (1280, "light")]


@pytest.fixture
def world(live_server, settings, olga) -> dict[str, str]:
    """The address of each page, by what it shows."""
    settings.PUBLIC_URL = live_server.url
    return {**_event_pages(olga), **_mailed_pages(olga), **_other_pages()}


def _event_pages(olga) -> dict[str, str]:
    jazz = EventFactory(
        organizer=olga, name="Jazz", description="# Program\n\n**Loud**, [here](https://a.example)",
        category=CategoryFactory(slug="music", name="Music"), max_capacity=9, max_party_size=3,
        attendee_list="names",
    )  # fmt: skip
    asked(jazz, *ALL_TYPES, DINNER, DIET)
    answers = {"consent": True, "dinner": True, "diet": "vegan"}
    mine = registered(jazz, party_size=2, guests=[{"name": "Ann"}], answers=answers, show_name=True)
    gone = registered(jazz, answers={"consent": True, "dinner": False})
    cancel_registration(gone)
    full = EventFactory(organizer=olga, name="Full", max_capacity=1, waitlist_enabled=True)
    registered(full)
    waiting = registered(full)
    taken = EventFactory(organizer=olga, name="Taken", max_capacity=1)
    registered(taken)
    off, past = EventFactory(organizer=olga), EventFactory(organizer=olga)
    cancel_event(off)
    Feedback.objects.create(event=past, author=olga, rating=4, comment="Loud.")
    over = timezone.now() - timedelta(days=2)
    Event.objects.filter(pk=past.pk).update(start_time=over, end_time=over + timedelta(hours=2))
    _, door = create_door_link(jazz, name="Main", by=olga)
    return {
        "open": page_path(jazz), "names": f"{page_path(jazz)}/people", "full": page_path(full),
        "taken": page_path(taken), "cancelled": page_path(off), "past": page_path(past),
        "embedded event": f"/embed/e/{jazz.pk}", "mine": manage_link(mine.pk),
        "waiting": manage_link(waiting.pk), "gone": manage_link(gone.pk),
        "door": door, "print": f"{door}/print", "one as HTML": f"/api/events/{jazz.pk}/",
    }  # fmt: skip


def _mailed_pages(olga) -> dict[str, str]:
    by_mail = EventFactory(organizer=olga, name="By mail", registration_mode="confirm_address")
    request = register_caller(by_mail.pk, None, name="Eve", email="eve@example.com")
    ana = UserFactory(username="ana", email_verified_at=timezone.now())
    known, new = (
        invite(by_mail, email=email, role="door", by=olga)
        for email in (ana.email, "new@example.com")
    )
    mail = Notification(kind="registration_confirmed", user=ana, email=ana.email)
    token = confirmation_token(request.pk, request.version)
    return {
        "confirm": f"/registrations/confirm/?token={token}",
        "no confirmation": "/registrations/confirm/?token=x",
        "invitation": invitation_link(known.pk), "new account": invitation_link(new.pk),
        "forgotten": "/forgotten-password/", "reset": reset_link(ana),
        "address": confirmation_link(UserFactory(username="eve")),
        "unsubscribe": unsubscribe_url(mail),
    }  # fmt: skip


def _other_pages() -> dict[str, str]:
    return {
        "list": "/", "nothing found": "/?search=zzz", "embedded list": "/embed/events",
        "404": "/nothing", "problems": "/problems/", "problem": "/problems/event-full/",
        "developers": "/developers/", "list as HTML": "/api/events/",
    }  # fmt: skip


@pytest.fixture
def tab() -> Iterator[Tab]:
    with open_browser(find_browser(), width=390, height=900) as tab:
        yield tab


def faults_of(tab: Tab) -> list[str]:
    passes, faults = tab.evaluate(_CHECK)
    assert passes > 5
    return [*faults, *(["too wide"] if tab.overflow else [])]


def test_axe_finds_nothing_on_any_page(tab, live_server, world):
    """Each page is opened once, and seen in every width and scheme."""
    axe, found = AXE.read_text(), dict[str, Any]()

    def check(name: str) -> None:
        tab.evaluate(f"document.querySelectorAll('details').forEach((e) => e.open = true);{axe};1")
        for width, scheme in _VIEWS:
            tab.resize(width, 900)
            tab.prefer(scheme)
            if faults := faults_of(tab):
                found[f"{name}, {width}, {scheme}"] = faults

    for name, address in world.items():
        path = address.removeprefix(live_server.url)
        tab.open(f"{live_server.url}{path}")
        check(name)
    tab.open(f"{live_server.url}{world['open']}")
    tab.evaluate("document.querySelector('#register form').noValidate = true")
    tab.tab_to("name")
    tab.press("Enter", loads=True)
    check("form with errors")

    assert found == {}
