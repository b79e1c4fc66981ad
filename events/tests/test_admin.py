from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.tests.factories import UserFactory
from conftest import NOW
from events.models import Category, Event
from events.services import cancel_event, delete_event
from events.tests.factories import CategoryFactory, EventFactory

LIST = "/admin/events/event/"
CATEGORIES = "/admin/events/category/"

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def root(db) -> User:
    return UserFactory(username="root", is_staff=True, is_superuser=True, timezone="Asia/Kolkata")


@pytest.fixture
def client(root: User, clock) -> Client:
    client = Client()
    client.force_login(root)
    return client


def page_of(event: Event) -> str:
    return f"{LIST}{event.pk}/change/"


def form_of(client: Client, event: Event, **changes: object) -> dict[str, object]:
    """What the browser would send from the change form."""
    form = client.get(page_of(event)).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in values.items() if value not in (None, False)}
    return {**sent, **changes}


def act(client: Client, action: str, *events: Event, query: str = "", **answer: str):
    data = {"action": action, "_selected_action": [event.pk for event in events], **answer}
    return client.post(f"{LIST}{query}", data, follow=True)


def messages_of(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def errors_of(response) -> dict[str, list[str]]:
    return response.context["adminform"].form.errors


def new_event(root: User, **changes: object) -> dict[str, object]:
    return {
        "name": "Global AI Summit",
        "location": "Bengaluru",
        "organizer": root.pk,
        "status": "draft",
        "timezone": "Asia/Kolkata",
        "start_time": "2027-03-15T14:30",
        "end_time": "",
        "reminder_hours": "24, 1, 24",
        "max_capacity": "750",
        "max_party_size": "1",
        "waitlist_policy": "strict",
        "visibility": "public",
        "attendee_list": "hidden",
        "registration_mode": "open",
        **changes,
    }


def test_event_add_reads_times_in_its_zone(client, root):
    category = CategoryFactory()

    response = client.post(f"{LIST}add/", new_event(root, category=category.pk))

    event = Event.objects.get()
    assert response.url == LIST
    assert event.start_time == datetime(2027, 3, 15, 9, 0, tzinfo=UTC)
    assert event.end_time - event.start_time == timedelta(hours=1)
    assert (event.organizer, event.category, event.status) == (root, category, "draft")
    assert (event.max_capacity, event.reminder_hours) == (750, [24, 1])


def test_event_add_form_begins_with_the_zone_of_staff(client, root):
    form = client.get(f"{LIST}add/").context["adminform"].form

    assert form["timezone"].value() == "Asia/Kolkata"
    assert form["organizer"].value() == root.pk


@pytest.mark.parametrize(
    ("changes", "field", "error"),
    [
        ({"start_time": "2027-01-01T10:00"}, "start_time", "Choose a start in the future."),
        ({"end_time": "2027-03-15T14:00"}, "end_time", "The end must be after the start."),
        (
            {"timezone": "Europe/Berlin", "start_time": "2027-03-28T02:30"},
            "start_time",
            "The clocks in Europe/Berlin skip this time.",
        ),
        (
            {"max_capacity": "0"},
            "max_capacity",
            "Ensure this value is greater than or equal to 1.",
        ),
        (
            {"reminder_hours": "24, 9999"},
            "reminder_hours",
            "Ensure this value is less than or equal to 2160.",
        ),
        ({"name": "two\x07lines"}, "name", "Use no line breaks or control characters."),
    ],
)
def test_event_add_tells_what_is_wrong(client, root, changes, field, error):
    response = client.post(f"{LIST}add/", new_event(root, **changes))

    assert errors_of(response) == {field: [error]}
    assert not Event.objects.exists()


def test_event_add_refuses_times_that_are_none(client, root):
    response = client.post(f"{LIST}add/", new_event(root, start_time="soon"))

    assert list(errors_of(response)) == ["start_time"]


def test_event_edit_goes_through_the_service(client, event):
    form = form_of(client, event, location="Hamburg")

    response = client.post(page_of(event), form)

    edited = Event.objects.get()
    assert response.url == LIST
    assert (edited.location, edited.version, edited.sequence) == ("Hamburg", 2, 1)
    assert (edited.start_time, edited.name) == (event.start_time, event.name)


def test_event_edit_without_a_change_leaves_the_version(client, event):
    client.post(page_of(event), form_of(client, event))

    assert Event.objects.get().version == 1


def test_event_edit_of_the_zone_keeps_the_clock(client):
    event = EventFactory(start_time=datetime(2027, 3, 1, 9, 0, tzinfo=UTC), timezone="UTC")

    client.post(page_of(event), form_of(client, event, timezone="Asia/Kolkata"))

    assert Event.objects.get().start_time == datetime(2027, 3, 1, 3, 30, tzinfo=UTC)


def test_event_edit_leaves_an_hour_that_occurs_twice(client):
    second = datetime(2027, 10, 31, 1, 30, tzinfo=UTC)  # 2:30 in Berlin, after the clocks go back
    event = EventFactory(start_time=second, timezone="Europe/Berlin")

    client.post(page_of(event), form_of(client, event, name="Renamed"))

    edited = Event.objects.get()
    assert (edited.name, edited.start_time) == ("Renamed", second)


def test_event_edit_without_an_end_lasts_an_hour(client, event):
    client.post(page_of(event), form_of(client, event, end_time=""))

    assert Event.objects.get().end_time == event.start_time + timedelta(hours=1)


def test_event_edit_below_registered_is_an_error_of_the_form(client):
    event = EventFactory(max_capacity=5, registered_count=3)

    response = client.post(page_of(event), form_of(client, event, max_capacity="2"))

    assert errors_of(response) == {
        "max_capacity": ["3 people are registered; choose a capacity of at least 3."]
    }
    assert Event.objects.get().max_capacity == 5


def test_event_edit_of_started_times_is_an_error_of_the_form(client, event, clock):
    form = form_of(client, event, start_time="2027-06-01T10:00", end_time="2027-06-01T12:00")
    clock.move_to(event.start_time + timedelta(minutes=1))
    client.force_login(User.objects.get(username="root"))

    response = client.post(page_of(event), form)

    assert errors_of(response) == {
        "__all__": ["The event has started; its times can no longer be moved."]
    }


def test_event_edit_of_what_another_edited_is_an_error_of_the_form(client, event):
    form = form_of(client, event, name="Mine")
    client.post(page_of(event), form_of(client, event, name="Theirs"))

    response = client.post(page_of(event), form)

    assert errors_of(response) == {
        "__all__": [
            "Somebody edited it since you opened the page. Open it again and repeat your change."
        ]
    }
    assert Event.objects.get().name == "Theirs"


def test_event_edit_that_is_refused_only_when_saved_is_a_message(client, event, monkeypatch):
    form = form_of(client, event, name="Mine")
    monkeypatch.setattr("events.admin.EventForm.rehearse", _rehearse_before_the_other)

    response = client.post(page_of(event), {**form, "seen_version": "7"}, follow=True)

    assert response.status_code == 200
    assert messages_of(response) == [
        "Somebody edited it since you opened the page. Open it again and repeat your change."
    ]
    assert Event.objects.get().name == event.name


def _rehearse_before_the_other(form):
    form.values = {"name": form.cleaned_data["name"]}


@pytest.mark.parametrize("end", [cancel_event, delete_event])
def test_event_that_is_over_is_read_only(client, event, end):
    end(event)

    page = client.get(page_of(event))
    response = client.post(page_of(event), {"name": "Changed"})

    assert page.status_code == 200
    assert page.context["has_change_permission"] is False
    assert response.status_code == 403


def test_publish_action_publishes_drafts(client):
    draft = EventFactory(status="draft")

    response = act(client, "publish_events", draft)

    assert messages_of(response) == ["Published 1 event."]
    assert Event.objects.get().status == "published"


def test_publish_action_tells_what_is_refused(client):
    cancelled = EventFactory(name="Off", status="cancelled")
    late = EventFactory(name="Late", status="draft", start_time=NOW - timedelta(days=1))

    response = act(client, "publish_events", cancelled, late)

    assert sorted(messages_of(response)) == [
        "Not done for Late: The draft's start is over; move it to the future first.",
        "Not done for Off: The event was cancelled, which is final.",
    ]


def test_cancel_action_asks_first(client, event):
    response = act(client, "cancel_events", event)

    assert response.template_name == "admin/ask_first.html"
    assert response.context["names"] == [event.name]
    assert Event.objects.get().status == "published"


def test_cancel_action_cancels_with_a_reason(client, event):
    response = act(client, "cancel_events", event, confirmed="yes", reason="Storm")

    cancelled = Event.objects.get()
    assert messages_of(response) == ["Cancelled 1 event."]
    assert (cancelled.status, cancelled.cancellation_reason) == ("cancelled", "Storm")
    assert cancelled.cancelled_at == NOW


def test_cancel_action_asks_again_after_an_overlong_reason(client, event):
    response = act(client, "cancel_events", event, confirmed="yes", reason="x" * 501)

    assert list(response.context["form"].errors) == ["reason"]
    assert Event.objects.get().status == "published"


def test_delete_action_keeps_the_rows(client):
    events = EventFactory.create_batch(2)

    question = act(client, "delete_selected", *events)
    response = act(client, "delete_selected", *events, confirmed="yes", notify="on")

    assert "Delete these events?" in question.content.decode()
    assert messages_of(question) == []
    assert messages_of(response) == ["Deleted 2 events."]
    assert [event.deleted_at for event in Event.objects.all()] == [NOW, NOW]


def test_delete_page_keeps_the_row(client, event):
    page = client.get(f"{LIST}{event.pk}/delete/")
    response = client.post(f"{LIST}{event.pk}/delete/", {"post": "yes"})

    assert "you can restore it" in page.content.decode()
    assert response.url == LIST
    assert Event.objects.get().deleted_at == NOW


def test_delete_page_refuses_what_is_deleted(client, event):
    delete_event(event)

    assert client.post(f"{LIST}{event.pk}/delete/", {"post": "yes"}).status_code == 403


def test_restore_action_brings_events_back(client, event):
    delete_event(event)

    question = act(client, "restore_events", event, query="?deleted=yes")
    response = act(client, "restore_events", event, query="?deleted=yes", confirmed="yes")

    assert "Restore these events?" in question.content.decode()
    assert messages_of(response) == ["Restored 1 event."]
    assert Event.objects.get().deleted_at is None


def test_action_on_a_deleted_event_is_refused(client):
    draft = EventFactory(status="draft", name="Gone")
    delete_event(draft)

    response = act(client, "publish_events", draft, query="?deleted=all")

    assert messages_of(response) == ["Not done for Gone: It is deleted; restore it first."]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, {"Next", "Now"}),
        ({"deleted": "yes"}, {"Gone"}),
        ({"deleted": "all"}, {"Next", "Now", "Gone"}),
        ({"when": "ongoing"}, {"Now"}),
        ({"when": "delete"}, {"Next", "Now"}),
        ({"q": "ex"}, {"Next"}),
        ({"status": "draft"}, set()),
        ({"start_time__year": "2027", "start_time__month": "3"}, {"Next"}),
    ],
)
def test_changelist_filters(client, query, names):
    EventFactory(name="Next", start_time=datetime(2027, 3, 1, 9, tzinfo=UTC))
    EventFactory(name="Now", start_time=NOW - timedelta(hours=1))
    delete_event(EventFactory(name="Gone"))

    response = client.get(LIST, query)

    assert {event.name for event in response.context["cl"].result_list} == names


def test_changelist_shows_the_start_in_the_zone_of_the_event(client):
    EventFactory(start_time=datetime(2027, 3, 1, 9, tzinfo=UTC), timezone="Asia/Kolkata")

    assert "2027-03-01 14:30 Asia/Kolkata" in client.get(LIST).content.decode()


@pytest.mark.parametrize("page", ["list", "change"])
def test_pages_cost_the_same_for_more_rows(client, event, page, django_assert_num_queries):
    address = LIST if page == "list" else page_of(event)
    with CaptureQueriesContext(connection) as queries:
        client.get(address)

    for number in range(2):
        EventFactory(category=CategoryFactory(slug=f"c{number}"))

    with django_assert_num_queries(len(queries)):
        client.get(address)


def test_staff_without_permission_see_nothing(sam):
    client = Client()
    client.force_login(sam)

    assert client.get(LIST).status_code == 403


def test_staff_who_may_only_look_find_no_actions(sam, event):
    sam.user_permissions.add(Permission.objects.get(codename="view_event"))
    client = Client()
    client.force_login(sam)

    response = client.get(LIST)
    act(client, "delete_selected", event)

    assert response.status_code == 200
    assert Event.objects.get().deleted_at is None
    assert client.get(page_of(event)).status_code == 200


def test_category_is_made_and_edited(client):
    client.post(f"{CATEGORIES}add/", {"name": "Talk", "slug": "talk-1"})
    category = Category.objects.get(slug="talk-1")

    client.post(f"{CATEGORIES}{category.pk}/change/", {"name": "Talks", "slug": "talks-1"})

    category.refresh_from_db()
    assert (category.name, category.slug) == ("Talks", "talks-1")


def test_category_with_a_taken_slug_is_an_error_of_the_form(client):
    CategoryFactory(slug="conference")

    response = client.post(f"{CATEGORIES}add/", {"name": "Another", "slug": "conference"})

    assert errors_of(response) == {"slug": ["Another category has this slug."]}
