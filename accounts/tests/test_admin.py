import json

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.paginator import Paginator
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Notification, Session, User
from accounts.services import erase_account
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tokens import open_session
from config.api import admin as common
from registrations.tests.factories import registered

LIST = "/admin/accounts/user/"
SESSIONS = "/admin/accounts/session/"


@pytest.fixture
def root(db) -> User:
    return UserFactory(username="root", is_staff=True, is_superuser=True)


@pytest.fixture
def admin_of():
    def client_of(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return client_of


@pytest.fixture
def helper(sam: User) -> User:
    """Staff with the permissions for users, but not a superuser."""
    names = ["view_user", "change_user", "add_user", "delete_user"]
    sam.user_permissions.set(Permission.objects.filter(codename__in=names))
    return sam


def profile_of(user: User, **changes: object) -> dict[str, object]:
    """The data of the change form."""
    flags = {
        name: "on" for name in ("is_active", "is_staff", "is_superuser") if getattr(user, name)
    }
    profile = {"email": user.email, "username": user.username, "role": user.role}
    return {**profile, "timezone": user.timezone, **flags, **changes}


def act(client: Client, action: str, *users: User, **answer: str):
    data = {"action": action, "_selected_action": [user.pk for user in users], **answer}
    return client.post(LIST, data, follow=True)


def messages_of(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def errors_of(response) -> dict[str, list[str]]:
    return response.context["adminform"].form.errors


def test_sign_in_by_address_leads_to_the_index(root):
    client = Client()

    response = client.post(
        "/admin/login/?next=/admin/", {"username": "ROOT@example.com", "password": PASSWORD}
    )

    assert response.url == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_sign_in_without_being_staff_is_refused(ana):
    client = Client()

    client.post("/admin/login/", {"username": ana.email, "password": PASSWORD})

    assert client.get("/admin/").status_code == 302


def test_user_add_hashes_the_password(root, admin_of):
    form = {
        "email": "Nora@Example.com",
        "username": "",
        "role": "organizer",
        "timezone": "Asia/Kolkata",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }

    response = admin_of(root).post(f"{LIST}add/", form)

    nora = User.objects.get(email="nora@example.com")
    assert response.url == f"{LIST}{nora.pk}/change/"
    assert (nora.username, nora.timezone, nora.is_staff) == ("nora", "Asia/Kolkata", False)
    assert nora.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("changes", "field", "error"),
    [
        ({"email": "ANA@example.com"}, "email", "An account has this address already."),
        ({"username": "Ana"}, "username", "Somebody has this name already."),
        ({"password2": "another-one-9"}, "password2", "The two password fields didn’t match."),
        (
            {"password1": "12345678", "password2": "12345678"},
            "password1",
            "This password is too common.",
        ),
    ],
)
def test_user_add_shows_the_errors_of_the_service(root, ana, admin_of, changes, field, error):
    form = {
        "email": "nora@example.com",
        "username": "nora",
        "role": "organizer",
        "timezone": "UTC",
        "password1": PASSWORD,
        "password2": PASSWORD,
        **changes,
    }

    response = admin_of(root).post(f"{LIST}add/", form)

    assert list(errors_of(response)) == [field]
    assert errors_of(response)[field][0] == error
    assert not User.objects.filter(username="nora").exists()


def test_user_edit_changes_profile_and_access(root, ana, admin_of):
    form = profile_of(ana, username="anna", role="organizer", is_staff="on")

    response = admin_of(root).post(f"{LIST}{ana.pk}/change/", form)

    ana.refresh_from_db()
    assert response.url == LIST
    assert (ana.username, ana.role, ana.is_staff) == ("anna", "organizer", True)


def test_address_changed_in_the_admin_is_pending(helper, ana, admin_of):
    form = profile_of(ana, email="Ana@New.example")

    response = admin_of(helper).post(f"{LIST}{ana.pk}/change/", form, follow=True)

    ana.refresh_from_db()
    assert (ana.email, ana.pending_email) == ("ana@example.com", "ana@new.example")
    mailed = Notification.objects.order_by("email").values_list("kind", "email")
    assert list(mailed) == [
        ("address_changed", "ana@example.com"),
        ("confirm_address", "ana@new.example"),
    ]
    assert "The new address is used once its owner confirms it." in response.content.decode()


def test_address_changed_in_the_admin_is_counted_once(clock, helper, ana, admin_of, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mails": (1, 3600)}
    client = admin_of(helper)

    first = client.post(
        f"{LIST}{ana.pk}/change/", profile_of(ana, email="ana@one.example"), follow=True
    )
    second = client.post(
        f"{LIST}{ana.pk}/change/", profile_of(ana, email="ana@two.example"), follow=True
    )

    ana.refresh_from_db()
    assert "The new address is used once its owner confirms it." in messages_of(first)
    assert messages_of(second) == ["You asked for many e-mails. Wait before the next one."]
    assert ana.pending_email == "ana@one.example"


def test_user_edit_refuses_a_taken_name(root, ana, olga, admin_of):
    response = admin_of(root).post(f"{LIST}{ana.pk}/change/", profile_of(ana, username="OLGA"))

    assert errors_of(response) == {"username": ["Somebody has this name already."]}


def test_user_edit_that_removes_access_ends_sessions(root, ana, admin_of):
    open_session(ana)
    form = profile_of(ana)
    del form["is_active"]

    admin_of(root).post(f"{LIST}{ana.pk}/change/", form)

    ana.refresh_from_db()
    assert (ana.is_active, ana.token_generation) == (False, 2)


def test_password_form_hashes_and_ends_sessions(root, ana, admin_of):
    form = {"password1": "another-good-one-9", "password2": "another-good-one-9"}
    form["usable_password"] = "true"

    response = admin_of(root).post(f"{LIST}{ana.pk}/password/", form)

    ana.refresh_from_db()
    assert response.url == f"{LIST}{ana.pk}/change/"
    assert ana.check_password("another-good-one-9")
    assert ana.token_generation == 2


def test_password_form_can_remove_the_password(root, ana, admin_of):
    form = {"usable_password": "false", "unset-password": "yes"}

    admin_of(root).post(f"{LIST}{ana.pk}/password/", form)

    ana.refresh_from_db()
    assert not ana.has_usable_password()


def test_own_password_form_does_not_sign_out(root, admin_of):
    client = admin_of(root)
    form = {"password1": "another-good-one-9", "password2": "another-good-one-9"}
    form["usable_password"] = "true"

    client.post(f"{LIST}{root.pk}/password/", form)

    assert client.get("/admin/").status_code == 200


def test_staff_cannot_grant_staff_rights(helper, ana, admin_of):
    client = admin_of(helper)
    rights = {"is_staff": "on", "is_superuser": "on", "groups": [], "user_permissions": [1]}

    for user in (helper, ana):
        response = client.post(f"{LIST}{user.pk}/change/", profile_of(user, **rights))
        assert response.url == LIST

    ana.refresh_from_db()
    helper.refresh_from_db()
    assert (ana.is_staff, ana.is_superuser) == (False, False)
    assert helper.is_superuser is False
    assert helper.user_permissions.count() == 4
    assert ana.user_permissions.count() == 0


def test_staff_cannot_change_other_staff(helper, root, admin_of):
    client = admin_of(helper)
    weapon = {"password1": "another-good-one-9", "password2": "another-good-one-9"}

    statuses = [
        client.post(f"{LIST}{root.pk}/change/", profile_of(root, email="x@y.example")).status_code,
        client.post(f"{LIST}{root.pk}/password/", weapon).status_code,
        client.get(f"{LIST}{root.pk}/change/").status_code,
    ]
    response = act(client, "deactivate_users", root, confirmed="yes")

    root.refresh_from_db()
    assert statuses == [403, 403, 200]
    assert messages_of(response) == ["Deactivated 0 users."]
    assert root.is_active
    assert root.check_password(PASSWORD)


def test_deactivation_requires_confirmation(root, ana, admin_of):
    response = act(admin_of(root), "deactivate_users", ana)

    ana.refresh_from_db()
    assert response.template_name == "admin/ask_first.html"
    assert response.context["names"] == ["ana"]
    assert ana.is_active


def test_deactivation_signs_out_and_skips_the_actor(root, ana, admin_of):
    open_session(ana)

    response = act(admin_of(root), "deactivate_users", ana, root, confirmed="yes")

    ana.refresh_from_db()
    root.refresh_from_db()
    assert messages_of(response) == ["Deactivated 1 user."]
    assert (ana.is_active, ana.token_generation) == (False, 2)
    assert root.is_active
    assert LogEntry.objects.get().object_id == str(ana.pk)


def test_reactivation_skips_erased_accounts(root, ana, admin_of):
    gone = UserFactory()
    erase_account(gone)
    User.objects.filter(pk=ana.pk).update(is_active=False)

    response = act(admin_of(root), "reactivate_users", ana, gone)

    ana.refresh_from_db()
    gone.refresh_from_db()
    assert messages_of(response) == [
        "1 left out: erased, or staff, whom only superusers change.",
        "Reactivated 1 user.",
    ]
    assert (ana.is_active, gone.is_active) == (True, False)


def form_addresses(response) -> str:
    return response.context["form"]["addresses"].value()


def test_confirm_addresses_requires_confirmation(root, ana, admin_of):
    response = act(admin_of(root), "confirm_addresses", ana)

    ana.refresh_from_db()
    assert response.context["names"] == ["ana: ana@example.com"]
    assert json.loads(form_addresses(response)) == {str(ana.pk): "ana@example.com"}
    assert ana.email_verified is False


def test_confirm_addresses_joins_guest_registrations(root, ana, event, admin_of):
    registration = registered(event, email=ana.email)
    client = admin_of(root)
    addresses = form_addresses(act(client, "confirm_addresses", ana))

    response = act(client, "confirm_addresses", ana, confirmed="yes", addresses=addresses)

    ana.refresh_from_db()
    registration.refresh_from_db()
    assert messages_of(response) == ["Confirmed the address of 1 user."]
    assert ana.email_verified
    assert registration.user == ana


def test_confirm_addresses_skips_addresses_changed_since_the_page(root, ana, signed_in, admin_of):
    client = admin_of(root)
    addresses = form_addresses(act(client, "confirm_addresses", ana))
    signed_in(ana).patch("/api/me/", {"email": "victim@example.org"})

    response = act(client, "confirm_addresses", ana, confirmed="yes", addresses=addresses)

    ana.refresh_from_db()
    assert ana.email == "victim@example.org"
    assert ana.email_verified is False
    assert messages_of(response)[0].startswith("Not done for ana: Somebody edited it")


def test_confirm_addresses_skips_accounts_beyond_the_page(root, admin_of):
    users = UserFactory.create_batch(common.NAMES_SHOWN + 1)
    client = admin_of(root)
    page = act(client, "confirm_addresses", *users)

    act(client, "confirm_addresses", *users, confirmed="yes", addresses=form_addresses(page))

    confirmed = User.objects.filter(email_verified_at__isnull=False)
    assert len(page.context["names"]) == common.NAMES_SHOWN
    assert {f"{user}: {user.email}" for user in confirmed} == set(page.context["names"])


@pytest.mark.parametrize("addresses", ["", "x", "[]", '{"x": "y"}', '{"1": {}}'])
def test_confirm_addresses_refuses_invalid_forms(root, ana, addresses, admin_of):
    act(admin_of(root), "confirm_addresses", ana, confirmed="yes", addresses=addresses)

    ana.refresh_from_db()
    assert ana.email_verified is False


def test_end_sessions_signs_out_everywhere(root, ana, admin_of):
    act(admin_of(root), "end_sessions", ana)

    ana.refresh_from_db()
    assert ana.token_generation == 2


def test_users_are_never_deleted(root, ana, admin_of):
    client = admin_of(root)

    response = client.post(f"{LIST}{ana.pk}/delete/", {"post": "yes"})

    assert response.status_code == 403
    assert "delete_selected" not in client.get(LIST).content.decode()
    assert User.objects.filter(pk=ana.pk).exists()


def test_user_search_finds_the_beginning_of_an_address(root, ana, admin_of):
    response = admin_of(root).get(LIST, {"q": "ANA@"})

    assert [user.pk for user in response.context["cl"].result_list] == [ana.pk]


def test_user_autocomplete_offers_active_accounts_only(root, ana, olga, admin_of):
    User.objects.filter(pk=olga.pk).update(is_active=False)
    field = {"app_label": "events", "model_name": "event", "field_name": "organizer"}

    response = admin_of(root).get("/admin/autocomplete/", {**field, "term": ""})

    assert {row["text"] for row in response.json()["results"]} == {"ana", "root"}


def test_sessions_are_shown_without_tokens(root, ana, admin_of):
    open_session(ana, user_agent="Firefox", address="192.0.2.7")
    session = Session.objects.get()
    client = admin_of(root)

    listed = client.get(SESSIONS, {"user__id__exact": ana.pk}).content.decode()
    page = client.get(reverse("admin:accounts_session_change", args=[session.pk]))

    assert "192.0.2.7" in listed
    assert page.status_code == 200
    assert session.current_token.hex not in page.content.decode().replace("-", "")
    assert client.get(f"{SESSIONS}add/").status_code == 403


@pytest.mark.parametrize("page", ["list", "change", "sessions"])
def test_number_of_queries_is_independent_of_the_number_of_rows(
    root, ana, admin_of, page, django_assert_num_queries
):
    client = admin_of(root)
    address = {"list": LIST, "change": f"{LIST}{ana.pk}/change/", "sessions": SESSIONS}[page]
    open_session(ana)
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        client.get(address)

    for user in UserFactory.create_batch(2):
        open_session(user)

    with django_assert_num_queries(len(queries)):
        client.get(address)


def test_paginator_counts_few_rows_and_estimates_many(root, monkeypatch):
    UserFactory.create_batch(5)
    users = User.objects.order_by("pk")

    few = common.EstimatingPaginator(users, 2).count
    monkeypatch.setattr(common, "COUNT_EXACTLY_TO", 3)
    many = common.EstimatingPaginator(users, 2).count

    assert few == Paginator(users, 2).count == 6
    assert many >= 4
