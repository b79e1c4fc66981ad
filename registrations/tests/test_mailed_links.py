"""Every link in a mail is valid only for the state that it changes.

One table lists all links, with the changes that end each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.test import Client

import accounts.pages
import registrations.pages
from accounts.links import confirmation_link, recovers_from, recovery_link, reset_link
from accounts.models import Notification, User
from accounts.notifications.unsubscribing import unsubscribe_url
from accounts.services import (
    change_access,
    change_password,
    confirm_address,
    confirm_email,
    edit_profile,
    reset_password,
    sign_out_everywhere,
)
from accounts.tests.factories import PASSWORD, UserFactory
from conftest import NOW
from events.services import delete_event
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.services import close_account, edit_registration
from registrations.services.confirmations import request_confirmation
from registrations.services.requests import RegistrationRequest
from registrations.tests.factories import registered
from registrations.tickets import confirmation_link as registration_link
from registrations.tickets import feedback_link, manage_link

pytestmark = pytest.mark.django_db

HOME, NEW, OTHER = "ana@example.com", "ana@new.example.org", "ana@other.example.org"
NEW_PASSWORD = "another-horse-battery-7"
SET = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}


class World:
    """ana, with a seat at an event that is over, and a guest with a seat at one that is ahead."""

    def __init__(self, clock):
        self.clock = clock
        self.user_id = UserFactory(username="ana").pk
        over = EventFactory(start_time=NOW + timedelta(hours=1), end_time=NOW + timedelta(hours=2))
        self.own_id = registered(over, email=HOME, user=self.user, registered_by=self.user).pk
        self.guest_id = registered(EventFactory(start_time=NOW + timedelta(days=90))).pk
        clock.shift(timedelta(hours=3))

    @property
    def user(self) -> User:
        return User.objects.get(pk=self.user_id)

    @property
    def own(self) -> Registration:
        return Registration.objects.get(pk=self.own_id)

    @property
    def guest(self) -> Registration:
        return Registration.objects.get(pk=self.guest_id)

    def confirm(self) -> None:
        """The address that is not yet confirmed, by its owner."""
        confirm_address(token_of(confirmation_link(self.user)), by=self.user)
        self.clock.shift(1)

    def change_to(self, email: str) -> None:
        edit_profile(self.user, {"email": email})

    def move_to(self, email: str) -> None:
        self.change_to(email)
        self.confirm()

    def reset(self) -> None:
        reset_password(token_of(reset_link(self.user)), NEW_PASSWORD)


def token_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


def with_token(link: str, token: str) -> str:
    return f"{link.partition('?')[0]}?token={token}"


def pending(world: World) -> None:
    world.confirm()
    world.change_to(NEW)


def left(world: World) -> None:
    world.confirm()
    world.move_to(NEW)


def pending_once_more(world: World) -> None:
    """From the same address to the same one, after both changes are over."""
    world.confirm()
    world.move_to(HOME)
    world.change_to(NEW)


def recovered_and_left_again(world: World) -> None:
    reset_password(token_of(recovery_link(world.user, HOME)), NEW_PASSWORD)
    world.move_to(OTHER)


def unsubscribe_link(world: World) -> str:
    row = Notification.objects.filter(registration_id=world.guest_id).first()
    return unsubscribe_url(row)


def request_link(world: World) -> str:
    """Of a guest's request to register at the event that is ahead."""
    request = request_confirmation(RegistrationRequest(world.guest.event_id, "Eve", NEW))
    return registration_link(request.pk, request.version)


def manage_link_of(row: Registration) -> str:
    return manage_link(row.pk, row.link_version)


@dataclass(frozen=True)
class MailedLink:
    """`prepare` brings about the state in which `make` makes the link, which `form` uses.

    `again`: whether it works after its use. `ends`: what makes it work no more.
    """

    page: str
    make: Callable[[World], str]
    form: dict[str, str]
    ends: dict[str, Callable[[World], object]]
    prepare: Callable[[World], None] = lambda world: None
    lifetime: str = ""
    again: bool = False


LINKS = {
    "confirm": MailedLink(
        "confirm-address",
        lambda world: confirmation_link(world.user),
        {"password": PASSWORD},
        {
            "another address": lambda world: world.change_to(NEW),
            "a reset": World.reset,
            "staff": lambda world: confirm_email(world.user),
            "deactivation": lambda world: change_access(world.user, is_active=False),
        },
        lifetime="CONFIRMATION_LINK_LIFETIME",
    ),
    "confirm a change": MailedLink(
        "confirm-address",
        lambda world: confirmation_link(world.user),
        {"password": PASSWORD},
        {
            "withdrawal": lambda world: world.change_to(HOME),
            "another change": lambda world: world.change_to(OTHER),
            "withdrawal and the same change": lambda world: (
                world.change_to(HOME), world.change_to(NEW)
            ),
            "the same change once more": pending_once_more,
            "a reset": World.reset,
            "recovery": lambda world: reset_password(
                token_of(recovery_link(world.user, HOME)), NEW_PASSWORD
            ),
        },
        prepare=pending,
        lifetime="CONFIRMATION_LINK_LIFETIME",
    ),
    "reset": MailedLink(
        "reset-password",
        lambda world: reset_link(world.user),
        SET,
        {
            "another password": lambda world: change_password(
                world.user, current_password=PASSWORD, password=NEW_PASSWORD
            ),
            "another address": lambda world: world.move_to(NEW),
            "the end of all sessions": lambda world: sign_out_everywhere(world.user),
            "another reset": World.reset,
        },
        prepare=World.confirm,
        lifetime="RESET_LINK_LIFETIME",
    ),
    "reset, of an unconfirmed address": MailedLink(
        "reset-password",
        lambda world: reset_link(world.user),
        SET,
        {
            "another address": lambda world: world.change_to(NEW),
            "confirmation": World.confirm,
            "another reset": World.reset,
        },
        lifetime="RESET_LINK_LIFETIME",
    ),
    "recover, while a change is pending": MailedLink(
        "reset-password",
        lambda world: recovery_link(world.user, HOME),
        SET,
        {
            "withdrawal": lambda world: world.change_to(HOME),
            "withdrawal and another change": lambda world: (
                world.change_to(HOME), world.change_to(OTHER)
            ),
            "a reset and another change": lambda world: (world.reset(), world.change_to(OTHER)),
            "its use and another change": recovered_and_left_again,
        },
        prepare=pending,
        lifetime="FORMER_ADDRESS_LIFETIME",
    ),
    "recover, once an address is left": MailedLink(
        "reset-password",
        lambda world: recovery_link(world.user, HOME),
        SET,
        {"its use and another change": recovered_and_left_again},
        prepare=left,
        lifetime="FORMER_ADDRESS_LIFETIME",
    ),
    "unsubscribe": MailedLink(
        "unsubscribe", unsubscribe_link, {}, {}, again=True
    ),  # for ever: see RFC 8058
    "manage": MailedLink(
        "manage-registration",
        lambda world: manage_link_of(world.guest),
        {"name": "Bob"},
        {
            "handing on": lambda world: edit_registration(world.guest, email=NEW),
            "an account that it joins": lambda world: confirm_email(
                UserFactory(email=world.guest.email)
            ),
            "erasure": lambda world: Registration.objects.filter(
                pk=world.guest_id
            ).erase_people(),
            "deletion of the event": lambda world: delete_event(world.guest.event),
        },
        again=True,
    ),
    "confirm a registration": MailedLink(
        "confirm-registration",
        request_link,
        {},
        {
            "another request": request_link,
            "deletion of the event": lambda world: delete_event(world.guest.event),
        },
        lifetime="24 hours",  # no setting
        again=True,
    ),
    "feedback": MailedLink(
        "feedback-page",
        lambda world: feedback_link(world.own_id, world.user_id),
        {"rating": "5"},
        {
            "another holder": lambda world: Registration.objects.filter(
                pk=world.own_id
            ).update(user=UserFactory()),
            "the end of the account": lambda world: close_account(world.user),
            "deletion of the event": lambda world: delete_event(world.own.event),
        },
        again=True,
    ),
}  # fmt: skip

CASES = [
    (kind, case)
    for kind, link in LINKS.items()
    for case in ("unused", "used", "expired", "another kind's", *link.ends)
]


def opens(link: str) -> bool:
    return Client().get(link).status_code == 200


def use(link: str, form: dict[str, str]) -> None:
    response = Client().post(urlsplit(link).path, {"token": token_of(link), **form})
    assert response.status_code in {200, 302}


def links_to_other_pages(page: str, world: World) -> list[str]:
    """Of each kind that the state allows for."""
    user = world.user
    made = {
        "confirm-address": [confirmation_link(user)] if user.unconfirmed_email else [],
        "reset-password": [reset_link(user)],
        "unsubscribe": [unsubscribe_link(world)],
        "manage-registration": [manage_link_of(world.own), manage_link_of(world.guest)],
        "feedback-page": [feedback_link(world.own_id, user.pk)],
    }
    if recovers_from(user, HOME):
        made["reset-password"].append(recovery_link(user, HOME))
    return [link for kind, links in made.items() if kind != page for link in links]


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_mailed_link_holds_for_the_state_that_it_changes(clock, kind, case):
    world, mailed = World(clock), LINKS[kind]
    mailed.prepare(world)
    link = mailed.make(world)
    holds = case == "unused"

    match case:
        case "unused":
            pass
        case "used":
            use(link, mailed.form)
            holds = mailed.again
        case "expired":
            clock.shift(getattr(settings, mailed.lifetime or "", timedelta(days=1000)))
            holds = not mailed.lifetime
        case "another kind's":
            others = links_to_other_pages(mailed.page, world)
            token = next((t for t in map(token_of, others) if opens(with_token(link, t))), "none")
            link = with_token(link, token)
        case change:
            mailed.ends[change](world)

    assert opens(link) is holds


def test_every_page_that_takes_a_token_is_in_the_table():
    pages = {
        pattern.name for pattern in (*accounts.pages.urlpatterns, *registrations.pages.urlpatterns)
    }

    open_pages = {"forgotten-password", "event-page", "event-page-short", "event-names", None}
    open_pages |= {"door", "door-page-list", "door-page-scans", "door-print"}  # links of organizers
    open_pages |= {"door-worker"}
    assert pages - open_pages == {link.page for link in LINKS.values()}
