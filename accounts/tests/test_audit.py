"""The audit records changes by organizers and staff: actor, action, values before and after."""

import pytest
import structlog
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.audit import ERASED, actor_id, clear_actor, set_actor
from accounts.models import AuditEntry, User
from accounts.services import edit_profile, erase_account
from accounts.tests.factories import PASSWORD, UserFactory, grant
from conftest import NOW
from events.models import Category, Event
from events.services import edit_event
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.tests.factories import registered
from registrations.tickets import manage_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def root(db) -> User:
    return UserFactory(username="root", is_staff=True, is_superuser=True)


@pytest.fixture
def admin(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def entries() -> list[tuple]:
    return [
        (entry.actor and entry.actor.username, entry.kind, entry.action, entry.before, entry.after)
        for entry in AuditEntry.objects.order_by("id")
    ]


def test_edit_is_recorded_with_actor_and_values(olga, event, signed_in):
    client = signed_in(olga)
    old = event.name

    client.patch(
        f"/api/events/{event.pk}/",
        {"name": "Renamed", "max_capacity": 5, "location": event.location},
        headers={"X-Request-ID": "the-request"},
    )

    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.at) == (olga, "edited", NOW)
    assert (entry.kind, entry.row_id, entry.request_id) == ("event", str(event.pk), "the-request")
    assert entry.before == {"name": old, "max_capacity": None}
    assert entry.after == {"name": "Renamed", "max_capacity": 5}


def test_each_transition_of_an_event_is_recorded(olga, sam, signed_in):
    event = EventFactory(organizer=olga, status=Event.Status.DRAFT)
    path = f"/api/events/{event.pk}/"
    staff = signed_in(grant(sam, "events.change_event"))

    signed_in(olga).post(f"{path}publish/")
    staff.post(f"{path}cancel/", {"reason": "Storm"})
    staff.post(f"{path}cancel/", {"reason": "Again"})
    signed_in(olga).delete(path)

    assert entries() == [
        ("olga", "event", "published", {"status": "draft"}, {"status": "published"}),
        (
            "sam",
            "event",
            "cancelled",
            {"status": "published", "cancellation_reason": ""},
            {"status": "cancelled", "cancellation_reason": "Storm"},
        ),
        ("olga", "event", "deleted", {"deleted_at": None}, {"deleted_at": "2027-01-15T12:00:00Z"}),
    ]


def test_changes_of_a_series_are_recorded_once_for_the_series(olga, signed_in):
    client = signed_in(olga)
    plan = {"name": "Yoga", "location": "Hall", "start_time": "2027-03-01T09:00:00Z",
            "recurrence": "FREQ=WEEKLY;COUNT=3"}  # fmt: skip
    path = f"/api/series/{client.post('/api/series/', plan).json()['id']}/"

    client.patch(path, {"location": "Park"})
    client.delete(path)

    assert [line[:3] for line in entries()] == [
        ("olga", "series", "edited"),
        ("olga", "series", "ended"),
    ]
    assert entries()[0][3:] == ({"location": "Hall"}, {"location": "Park"})


def test_refused_and_empty_changes_are_not_recorded(olga, event, max_, signed_in):
    path = f"/api/events/{event.pk}/"

    signed_in(olga).patch(path, {"name": event.name})
    signed_in(olga).patch(path, {"max_capacity": 0})
    signed_in(max_).patch(path, {"name": "Mine"})

    assert entries() == []


def test_registering_writes_no_audit_entry(anyone, ana, event, signed_in):
    with CaptureQueriesContext(connection) as queries:
        anyone.post(f"/api/events/{event.pk}/register/", {"name": "Bob", "email": "b@example.com"})
        signed_in(ana).post(f"/api/events/{event.pk}/register/")

    assert [query["sql"] for query in queries if "auditentry" in query["sql"]] == []


def test_attendee_name_changed_by_an_organizer_is_recorded(olga, event, signed_in):
    registration = registered(event, name="Bbo")

    signed_in(olga).patch(f"/api/registrations/{registration.pk}/", {"name": "Bob"})

    assert entries() == [("olga", "registration", "renamed", {"name": "Bbo"}, {"name": "Bob"})]


def test_changes_by_the_owner_are_not_recorded(anyone, ana, event, signed_in):
    client = signed_in(ana)
    mine = client.post(f"/api/events/{event.pk}/register/").json()["id"]
    guests = registered(event)

    client.patch(f"/api/registrations/{mine}/", {"name": "Ana B."})
    path = f"/api/registrations/{guests.pk}/?token={manage_token(guests.pk)}"
    assert anyone.patch(path, {"name": "Robert"}).status_code == 200
    client.patch("/api/me/", {"username": "anabel"})
    client.post("/api/password/change/", {"current_password": PASSWORD, "password": "a-horse-77"})

    assert entries() == []


def test_changes_of_users_by_staff_are_recorded(ana, sam, signed_in):
    staff = signed_in(grant(sam, "accounts.change_user"))

    staff.patch(f"/api/users/{ana.pk}/", {"username": "anna", "timezone": "Asia/Kolkata"})

    assert entries() == [
        (
            "sam",
            "user",
            "edited",
            {"username": "ana", "timezone": "UTC"},
            {"username": "anna", "timezone": "Asia/Kolkata"},
        )
    ]


def test_changes_in_the_admin_are_recorded_without_passwords(admin, ana, root):
    page = f"/admin/accounts/user/{ana.pk}/"
    helpers = Group.objects.create(name="Helpers")
    right = Permission.objects.get(codename="view_event")
    form = {"email": ana.email, "username": "ana", "role": "attendee", "timezone": "UTC",
            "is_active": "on", "is_staff": "on", "groups": [helpers.pk],
            "user_permissions": [right.pk]}  # fmt: skip
    new = {
        "password1": "another-horse-7",
        "password2": "another-horse-7",
        "usable_password": "true",
    }

    admin.post(f"{page}change/", form)
    admin.post(f"{page}password/", new)
    admin.post("/admin/accounts/user/", {"action": "end_sessions", "_selected_action": [ana.pk]})

    assert entries() == [
        ("root", "user", "access changed", {"is_staff": False}, {"is_staff": True}),
        (
            "root",
            "user",
            "rights changed",
            {"groups": [], "user_permissions": []},
            {"groups": ["Helpers"], "user_permissions": ["view_event"]},
        ),
        ("root", "user", "password set", {}, {}),
        ("root", "user", "signed out everywhere", {}, {}),
    ]


def test_no_secret_column_is_recorded():
    secrets = {"password", "token_generation", "calendar_generation", "ticket_code"}

    watched = {*User.audited_fields, *Event.audited_fields, *Registration.audited_fields}

    assert watched & secrets == set()
    assert not [name for name in watched if "token" in name or "password" in name]


def test_changes_of_categories_are_recorded(sam, signed_in):
    rights = ("events.add_category", "events.change_category", "events.delete_category")
    client = signed_in(grant(sam, *rights))

    client.post("/api/categories/", {"slug": "gala", "name": "Gala"})
    client.patch("/api/categories/gala/", {"name": "Galas"})
    client.delete("/api/categories/gala/")

    assert [line[2:] for line in entries()] == [
        ("saved", {}, {"slug": "gala", "name": "Gala"}),
        ("saved", {"name": "Gala"}, {"name": "Galas"}),
        ("deleted", {"slug": "gala", "name": "Galas"}, {}),
    ]
    assert not Category.objects.filter(slug="gala").exists()


def test_change_by_a_command_has_no_actor(event):
    edit_event(event, {"name": "By a command"})

    assert AuditEntry.objects.get().actor is None


def test_actor_is_independent_of_the_context_of_the_logger():
    set_actor(7)

    structlog.contextvars.clear_contextvars()

    assert actor_id() == 7
    clear_actor()
    assert actor_id() is None


def test_actor_ends_with_its_request(anyone, sam, signed_in, event):
    signed_in(sam).get("/api/me/")
    registration = registered(event)

    anyone.patch(
        f"/api/registrations/{registration.pk}/?token={manage_token(registration.pk)}",
        {"name": "New"},
    )

    assert entries() == []


@pytest.mark.parametrize(
    "rewrite",
    [
        "UPDATE accounts_auditentry SET action = 'nothing'",
        "UPDATE accounts_auditentry SET after = '{}'",
        "DELETE FROM accounts_auditentry",
        "SET LOCAL accounts.audit_erasure = 'on'; DELETE FROM accounts_auditentry",
        "SET LOCAL accounts.audit_erasure = 'on'; UPDATE accounts_auditentry SET actor_id = NULL",
    ],
)
def test_database_refuses_to_rewrite_entries(olga, event, signed_in, rewrite):
    signed_in(olga).patch(f"/api/events/{event.pk}/", {"name": "Renamed"})

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        connection.cursor().execute(rewrite)


def test_end_of_an_account_erases_recorded_values(ana, sam, olga, signed_in):
    event = EventFactory(organizer=olga)
    mine = registered(event, name="Ana", email=ana.email, user=ana)
    signed_in(olga).patch(f"/api/registrations/{mine.pk}/", {"name": "Ana Secret"})
    staff = signed_in(grant(sam, "accounts.change_user", "accounts.delete_user"))
    staff.patch(f"/api/users/{ana.pk}/", {"username": "ana-secret"})
    staff.patch(f"/api/users/{olga.pk}/", {"username": "olga2"})

    staff.delete(f"/api/users/{ana.pk}/")

    assert entries() == [
        ("olga2", "registration", "renamed", {"name": ERASED}, {"name": ERASED}),
        ("sam", "user", "edited", {"username": ERASED}, {"username": ERASED}),
        ("sam", "user", "edited", {"username": "olga"}, {"username": "olga2"}),
        ("sam", "user", "erased", {}, {}),
    ]


def test_deletion_by_the_owner_erases_recorded_values(ana, sam, signed_in):
    staff = signed_in(grant(sam, "accounts.change_user"))
    staff.patch(f"/api/users/{ana.pk}/", {"username": "ana-secret"})

    erase_account(ana)

    assert entries() == [("sam", "user", "edited", {"username": ERASED}, {"username": ERASED})]


def test_event_page_shows_its_changes(admin, olga, event, signed_in):
    other = EventFactory(organizer=olga, name="Other")
    signed_in(olga).patch(f"/api/events/{event.pk}/", {"name": "<b>Renamed</b>"})
    signed_in(olga).patch(f"/api/events/{other.pk}/", {"name": "Otherwise"})

    page = admin.get(f"/admin/events/event/{event.pk}/change/").content.decode()
    fresh = EventFactory(organizer=olga)

    assert f"name: {event.name} → &lt;b&gt;Renamed&lt;/b&gt;" in page
    assert "Otherwise" not in page
    assert "None." in admin.get(f"/admin/events/event/{fresh.pk}/change/").content.decode()


@pytest.mark.parametrize("kind", ["user", "registration", "category"])
def test_pages_of_other_models_show_their_changes(admin, ana, event, kind):
    registration = registered(event)
    pages = {
        "user": f"/admin/accounts/user/{ana.pk}/change/",
        "registration": f"/admin/registrations/registration/{registration.pk}/change/",
        "category": f"/admin/events/category/{Category.objects.first().pk}/change/",
    }

    page = admin.get(pages[kind])

    assert page.status_code == 200
    assert "Latest changes" in page.content.decode()


def test_audit_list_searches_by_row_and_request(admin, olga, ana, event, signed_in):
    with_id = {"X-Request-ID": "req-7"}
    signed_in(olga).patch(f"/api/events/{event.pk}/", {"name": "Renamed"}, headers=with_id)
    edit_profile(ana, {"username": "anna"})
    edit_event(event, {"name": "Again"})
    where = "/admin/accounts/auditentry/"

    assert admin.get(where).context["cl"].result_count == 2
    assert admin.get(f"{where}?kind=event&row_id={event.pk}").context["cl"].result_count == 2
    assert admin.get(f"{where}?kind=event&row_id=999").context["cl"].result_count == 0
    assert admin.get(f"{where}?q=req-7").context["cl"].result_count == 1
    entry = AuditEntry.objects.order_by("id").first()
    assert "Renamed" in admin.get(f"{where}{entry.pk}/change/").content.decode()
    assert admin.post(f"{where}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
