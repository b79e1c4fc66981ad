import csv
import io
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.audit import changes_of
from accounts.models import User
from accounts.tests.factories import UserFactory, grant
from conftest import NOW
from events.models import Event
from events.services import delete_event
from events.tests.factories import EventFactory
from registrations.models import DoorLink, LedgerEntry, Registration
from registrations.services import cancel_registration, create_door_link, find_door_link
from registrations.tests.factories import registered

LIST = "/admin/registrations/registration/"
EVENTS = "/admin/events/event/"
USERS = "/admin/accounts/user/"

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def root(db) -> User:
    return UserFactory(username="root", is_staff=True, is_superuser=True)


@pytest.fixture
def client(root: User, clock) -> Client:
    client = Client()
    client.force_login(root)
    return client


def page_of(registration: Registration) -> str:
    return f"{LIST}{registration.pk}/change/"


def name_of(name: str) -> dict[str, str]:
    """What the change form sends: the ledger below it has no rows to edit."""
    return {"name": name} | {
        f"{inline}-{count}_FORMS": "0"
        for inline in ("ledger", "scans")
        for count in ("TOTAL", "INITIAL")
    }


def act(client: Client, where: str, action: str, *rows, **answer: str):
    data = {"action": action, "_selected_action": [row.pk for row in rows], **answer}
    return client.post(where, data, follow=True)


def messages_of(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def errors_of(response) -> dict[str, list[str]]:
    return response.context["adminform"].form.errors


def test_registration_add_takes_a_seat(client, root, event):
    form = {"event": event.pk, "name": "Bob", "email": "Bob@Example.com"}

    response = client.post(f"{LIST}add/", form, follow=True)

    bob = Registration.objects.get()
    event.refresh_from_db()
    assert messages_of(response)[0] == "The registration is confirmed."
    assert (bob.email, bob.status, bob.registered_by) == ("bob@example.com", "confirmed", root)
    assert event.registered_count == 1


@pytest.mark.parametrize("mode", ["approval", "code", "confirm_address"])
def test_registration_add_passes_the_mode_of_the_event(client, mode):
    event = EventFactory(registration_mode=mode)
    form = {"event": event.pk, "name": "Bob", "email": "bob@example.com"}

    response = client.post(f"{LIST}add/", form, follow=True)

    assert messages_of(response)[0] == "The registration is confirmed."


def test_registration_add_of_an_account_uses_its_address(client, event, ana):
    client.post(f"{LIST}add/", {"event": event.pk, "user": ana.pk})

    registration = Registration.objects.get()
    assert (registration.user, registration.email, registration.name) == (ana, ana.email, "ana")


def test_registration_add_queues_when_the_event_is_full(client):
    event = EventFactory(max_capacity=1, waitlist_enabled=True)
    registered(event)

    response = client.post(
        f"{LIST}add/", {"event": event.pk, "name": "Bob", "email": "b@example.com"}, follow=True
    )

    assert messages_of(response)[0] == "The registration is waitlisted."


def test_registration_add_to_a_full_event_is_an_error_of_the_form(client):
    event = EventFactory(max_capacity=1)
    registered(event)

    response = client.post(
        f"{LIST}add/", {"event": event.pk, "name": "Bob", "email": "b@example.com"}
    )

    assert errors_of(response) == {
        "__all__": [
            "The only seat is taken. Try again later: a seat becomes free when somebody cancels."
        ]
    }
    assert Registration.objects.count() == 1


@pytest.mark.parametrize(
    ("form", "errors"),
    [
        ({"name": "Bob"}, {"email": ["Needed for a guest."]}),
        ({}, {"name": ["Needed for a guest."], "email": ["Needed for a guest."]}),
        (
            {"name": "B\x07b", "email": "b@example.com"},
            {"name": ["Use no line breaks or control characters."]},
        ),
    ],
)
def test_registration_add_reports_missing_fields(client, event, form, errors):
    response = client.post(f"{LIST}add/", {"event": event.pk, **form})

    assert errors_of(response) == errors


def test_registration_add_refuses_an_account_that_has_to_give_another_address(client, event):
    user = UserFactory(email="withdrawn-1@invalid", withdrawn_email="ann@example.com")

    response = client.post(f"{LIST}add/", {"event": event.pk, "user": user.pk})

    assert errors_of(response) == {
        "user": ["The account has to give another e-mail address first."]
    }
    assert not Registration.objects.exists()


def test_registration_add_refuses_a_foreign_address_for_an_account(client, event, ana):
    form = {"event": event.pk, "user": ana.pk, "email": "other@example.com"}

    response = client.post(f"{LIST}add/", form)

    assert errors_of(response) == {
        "email": ["The account's address is ana@example.com; leave this empty."]
    }


def test_registration_add_offers_only_accounts_and_events_that_staff_may_see(sam, olga, ana):
    draft = EventFactory(organizer=olga, status="draft")
    client = Client()
    client.force_login(grant(sam, "registrations.add_registration"))

    response = client.post(
        f"{LIST}add/", {"event": draft.pk, "user": ana.pk, "email": "bob@example.com"}
    )

    choose = "Select a valid choice. That choice is not one of the available choices."
    assert errors_of(response) == {"event": [choose], "user": [choose]}
    assert ana.email not in response.content.decode()


def test_registration_edit_changes_the_name_alone(client, event):
    registration = registered(event)
    form = {**name_of("Corrected"), "status": "cancelled", "email": "x@example.com"}

    response = client.post(page_of(registration), form)

    edited = Registration.objects.get()
    assert response.url == LIST
    assert (edited.name, edited.status) == ("Corrected", "confirmed")
    assert edited.email == registration.email


def test_registration_of_a_deleted_event_is_read_only(client, event):
    registration = registered(event)
    delete_event(event)

    assert client.get(page_of(registration)).status_code == 200
    assert client.post(page_of(registration), name_of("Corrected")).status_code == 403


def test_registrations_are_never_deleted(client, event):
    registration = registered(event)

    response = client.post(f"{LIST}{registration.pk}/delete/", {"post": "yes"})

    assert response.status_code == 403
    assert "delete_selected" not in client.get(LIST).content.decode()


def test_registration_page_shows_its_history(client, root, event):
    registration = registered(event)
    cancel_registration(registration, by=root)

    page = client.get(page_of(registration)).content.decode()

    assert "By Staff" in page


def test_registration_page_shows_answers_and_guests_with_the_labels_of_the_form(client):
    options = [{"value": "v", "label": "Vegan"}, {"value": "f", "label": "<Fish>"}]
    event = EventFactory(max_party_size=3)
    questions = [
        {"key": "food", "label": "Food", "type": "choices", "options": options},
        {"key": "news", "label": "News?", "type": "boolean", "ask": "each_person"},
        {"key": "rules", "label": "Rules", "type": "consent"},
    ]
    api = APIClient()
    api.force_authenticate(event.organizer)
    form = {"questions": questions}
    assert api.put(f"/api/events/{event.pk}/form/", form, format="json").status_code == 200
    registration = registered(
        event,
        party_size=2,
        answers={"food": ["v", "f"], "news": False, "rules": True},
        guests=[{"name": "Gus", "answers": {"news": True}}],
    )
    registration.answers["gone"] = "kept"
    registration.save()

    page = client.get(page_of(registration)).content.decode()
    rows = re.findall(r'<tr><th scope="row">(.*?)</th><td>(.*?)</td></tr>', page)

    assert rows == [
        *[("Name", "Gus"), ("News?", "Yes")],
        *[("Food", "Vegan, &lt;Fish&gt;"), ("News?", "No"), ("Rules", "Yes"), ("gone", "kept")],
    ]


def test_cancel_action_promotes_the_waitlist(client, root):
    event = EventFactory(max_capacity=1, waitlist_enabled=True)
    first, second = registered(event), registered(event)

    question_page = act(client, LIST, "cancel_registrations", first)
    response = act(client, LIST, "cancel_registrations", first, confirmed="yes")

    first.refresh_from_db()
    second.refresh_from_db()
    event.refresh_from_db()
    assert question_page.template_name == "admin/ask_first.html"
    assert messages_of(response) == ["Cancelled 1 registration."]
    assert (first.status, second.status) == ("cancelled", "confirmed")
    assert (event.registered_count, event.waitlist_count) == (1, 0)
    assert LedgerEntry.objects.get(registration=first, kind="cancelled").actor == root


def test_cancel_action_reports_events_that_have_started(client, root, event, clock):
    registration = registered(event, name="Bob")
    clock.move_to(event.start_time + timedelta(minutes=1))
    client.force_login(root)

    response = act(client, LIST, "cancel_registrations", registration, confirmed="yes")

    reason = "The event has started; a registration can no longer be cancelled."
    assert messages_of(response) == [f"Not done for Bob at {event.name}: {reason}"]
    registration.refresh_from_db()
    assert registration.status == "confirmed"


def test_raised_capacity_promotes_the_waitlist(client):
    event = EventFactory(max_capacity=1, waitlist_enabled=True)
    registered(event)
    waiting = registered(event)
    page = f"{EVENTS}{event.pk}/change/"
    form = client.get(page).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    values = {name: value for name, value in values.items() if value not in (None, False)}

    client.post(page, {**values, "max_capacity": "2"})

    waiting.refresh_from_db()
    assert waiting.status == "confirmed"
    assert LedgerEntry.objects.filter(registration=waiting).count() == 2


def test_export_action_streams_one_event(client, event):
    registered(event, name="Bob", email="bob@example.com")
    cancel_registration(registered(event))

    response = act(client, EVENTS, "export_attendees", event)

    body = b"".join(response.streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(body, newline="")))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert f'"event-{event.pk}-attendees.csv"' in response["Content-Disposition"]
    assert [(row["name"], row["email"], row["event_name"]) for row in rows] == [
        ("Bob", "bob@example.com", event.name)
    ]


def test_export_action_joins_events_below_one_header(client, clock):
    one, two = EventFactory(name="One"), EventFactory(name="Two")
    for event in (one, two):
        registered(event, name="Bob")
        clock.shift(1)
        registered(event, name="Zoë")

    response = act(client, EVENTS, "export_attendees", one, two)

    rows = csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode(), newline=""))
    names = [(row["event_name"], row["name"]) for row in rows]
    assert names == [("Two", "Bob"), ("Two", "Zoë"), ("One", "Bob"), ("One", "Zoë")]
    assert 'filename="attendees.csv"' in response["Content-Disposition"]


def test_export_action_needs_the_right_to_view_registrations(sam, event):
    sam.user_permissions.add(Permission.objects.get(codename="view_event"))
    client = Client()
    client.force_login(sam)

    assert "export_attendees" not in client.get(EVENTS).content.decode()


def test_erase_action_closes_accounts(client, root, ana, event):
    registration = registered(event, user=ana, email=ana.email)

    question_page = act(client, USERS, "erase_accounts", ana, root)
    response = act(client, USERS, "erase_accounts", ana, root, confirmed="yes")

    ana.refresh_from_db()
    root.refresh_from_db()
    registration.refresh_from_db()
    assert question_page.context["names"] == ["ana"]
    assert messages_of(response) == ["Erased 1 user."]
    assert (ana.erased_at, ana.is_active) == (NOW, False)
    assert registration.status == "cancelled"
    assert root.erased_at is None


def test_erase_action_refuses_organizers_of_upcoming_events(client, olga, event):
    response = act(client, USERS, "erase_accounts", olga, confirmed="yes")

    olga.refresh_from_db()
    reason = "Transfer, cancel or delete your upcoming events and series; people rely on them."
    assert messages_of(response) == [f"Not done for olga: {reason}"]
    assert olga.erased_at is None


def test_erased_account_is_read_only(client, ana):
    act(client, USERS, "erase_accounts", ana, confirmed="yes")

    page = client.get(f"{USERS}{ana.pk}/change/")

    assert page.context["has_change_permission"] is False


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"q": "BOB@"}, {"Bob"}),
        ({"q": "zo"}, {"Zoë"}),
        ({"status": "waitlisted"}, {"Zoë"}),
        ({"user": "no"}, {"Bob", "Zoë"}),
        ({"checked_in_at": "yes"}, set()),
    ],
)
def test_changelist_is_filtered_and_searched(client, query, names):
    event = EventFactory(max_capacity=1, waitlist_enabled=True)
    registered(event, name="Bob", email="bob@example.com")
    registered(event, name="Zoë")

    response = client.get(LIST, query)

    assert {row.name for row in response.context["cl"].result_list} == names


def test_changelist_is_reached_from_event_and_account(client, event, ana):
    registered(event, user=ana, email=ana.email)
    registered(EventFactory())

    pages = [f"{LIST}?event__id__exact={event.pk}", f"{LIST}?user__id__exact={ana.pk}"]

    assert pages[0] in client.get(f"{EVENTS}{event.pk}/change/").content.decode()
    assert pages[1] in client.get(f"{USERS}{ana.pk}/change/").content.decode()
    assert [len(client.get(page).context["cl"].result_list) for page in pages] == [1, 1]


@pytest.mark.parametrize("page", ["list", "change", "add"])
def test_pages_cost_the_same_for_more_rows(client, event, ana, page, django_assert_num_queries):
    registration = registered(event, user=ana, email=ana.email)
    address = {"list": LIST, "change": page_of(registration), "add": f"{LIST}add/"}[page]
    with CaptureQueriesContext(connection) as queries:
        client.get(address)

    for user in UserFactory.create_batch(2):
        registered(EventFactory(), user=user, email=user.email, registered_by=user)

    with django_assert_num_queries(len(queries)):
        client.get(address)


def test_event_autocomplete_leaves_deleted_events_out(client, event):
    delete_event(EventFactory(name="Gone"))
    field = {"app_label": "registrations", "model_name": "registration", "field_name": "event"}

    response = client.get("/admin/autocomplete/", {**field, "term": ""})

    assert [row["text"] for row in response.json()["results"]] == [
        Event.objects.get(pk=event.pk).name
    ]


# --- door links ---

LINKS = "/admin/registrations/doorlink/"


def test_door_links_are_reached_from_their_event(client, event, olga):
    link, _ = create_door_link(event, name="Main entrance", by=olga)
    create_door_link(EventFactory(), name="Elsewhere", by=olga)
    page = f"{LINKS}?event__id__exact={event.pk}"

    assert page in client.get(f"{EVENTS}{event.pk}/change/").content.decode()
    assert list(client.get(page).context["cl"].result_list) == [link]


def test_withdraw_action_ends_door_links(client, root, event, olga):
    link, url = create_door_link(event, name="Main entrance", by=olga)

    question = act(client, LINKS, "withdraw_links", link)
    response = act(client, LINKS, "withdraw_links", link, confirmed="yes")

    assert "Whoever has them can check nobody in any more." in question.content.decode()
    assert messages_of(response) == ["Withdrew 1 door link."]
    assert find_door_link(url.rpartition("/")[2]) is None
    assert changes_of(link).first().actor == root


def test_door_link_page_shows_its_audit_and_no_secret(client, event, olga):
    link, url = create_door_link(event, name="Main entrance", by=olga)

    text = client.get(f"{LINKS}{link.pk}/change/").content.decode()

    assert "latest changes" in text.lower()
    assert url.rpartition("/")[2] not in text
    assert bytes(link.digest).hex() not in text


def test_door_link_list_costs_the_same_for_more_rows(
    client, event, olga, django_assert_num_queries
):
    create_door_link(event, name="1", by=olga)
    with CaptureQueriesContext(connection) as queries:
        client.get(LINKS)
    for name in "23":
        create_door_link(EventFactory(), name=name, by=olga)

    with django_assert_num_queries(len(queries)):
        client.get(LINKS)


def make_link(client: Client, event: Event, **form: str):
    return client.post(f"{LINKS}add/", {"event": event.pk, "name": "Main entrance", **form})


def test_a_new_door_link_is_shown_once_and_works(client, root, event):
    page = client.get(f"{EVENTS}{event.pk}/change/").content.decode()
    form = client.get(f"{LINKS}add/", {"event": event.pk}).content.decode()

    response = make_link(client, event)

    link = DoorLink.objects.get()
    url = response.context["url"]
    assert f'{LINKS}add/?event={event.pk}"' in page
    assert f'<option value="{event.pk}" selected>' in form
    assert (link.name, link.event, link.created_by) == ("Main entrance", event, root)
    assert find_door_link(url.rpartition("/")[2]) == link
    shown = response.content.decode()
    assert all(
        text in shown for text in (f'readonly value="{url}"', "data:image/svg+xml", "Main entrance")
    )
    assert f"{EVENTS}{event.pk}/change/" in shown
    assert "no-store" in response["Cache-Control"]
    assert [(entry.action, entry.actor) for entry in changes_of(link)] == [("created", root)]
    later = client.get(f"{LINKS}{link.pk}/change/"), client.get(f"{EVENTS}{event.pk}/change/")
    assert [url in each.content.decode() for each in later] == [False, False]


@pytest.mark.parametrize("name", ["x" * 101, "a\x07b"])
def test_a_door_link_with_an_invalid_name_is_not_made(client, event, name):
    assert list(errors_of(make_link(client, event, name=name))) == ["name"]
    assert not DoorLink.objects.exists()


def test_no_door_link_is_made_for_a_deleted_event(client, event):
    delete_event(event)

    assert list(errors_of(make_link(client, event))) == ["event"]
    assert "doorlink/add/?event" not in client.get(f"{EVENTS}{event.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        (["registrations.add_doorlink", "registrations.change_registration"], 200),
        (["registrations.add_doorlink"], 403),
        (["registrations.change_registration", "registrations.view_doorlink"], 403),
    ],
)
def test_door_links_are_made_by_staff_whose_links_work(sam, event, permissions, status):
    client = Client()
    client.force_login(grant(sam, "events.view_event", *permissions))

    page = client.get(f"{EVENTS}{event.pk}/change/").content.decode()

    assert make_link(client, event).status_code == status
    assert ("doorlink/add/?event" in page) is (status == 200)


def test_door_links_are_shown_to_staff_who_may_see_them(client, sam, event):
    make_link(client, event)
    staff = Client()

    pages = []
    for permissions in (["events.view_event"], ["registrations.view_doorlink"]):
        staff.force_login(grant(sam, *permissions))
        pages.append(staff.get(f"{EVENTS}{event.pk}/change/").content.decode())

    assert ["Main entrance" in page for page in pages] == [False, True]


@pytest.mark.parametrize("path", [LIST, LINKS])
@pytest.mark.parametrize("value", ["abc", "1.5", "²", "9" * 40])
def test_an_event_that_is_no_id_is_an_error_of_the_form(client, path, value):
    form = client.get(f"{path}add/", {"event": value})
    response = client.post(f"{path}add/", {"event": value, "name": "N"})

    assert form.status_code == 200
    assert "event" in errors_of(response)
