"""Feedback on events."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from conftest import NOW
from events.models import Event
from events.services import cancel_event, delete_event
from events.tests.factories import EventFactory
from registrations.models import Feedback
from registrations.services import register
from registrations.services.accounts import settle_accounts
from registrations.services.integrity import find_faults, repair_counters
from registrations.tests.concurrency import at_once
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

ENDS = NOW + timedelta(hours=3)


def attended(event: Event, *users: User) -> None:
    for user in users:
        register(event.pk, name=user.username, email=user.email, user=user, registered_by=user)


@pytest.fixture
def ana(ana) -> User:
    """Her address is confirmed, as feedback needs it."""
    User.objects.filter(pk=ana.pk).update(email_verified_at=NOW)
    ana.refresh_from_db()
    return ana


@pytest.fixture
def event(clock, olga, ana) -> Event:
    """An event that is over, with ana as an attendee."""
    event = EventFactory(organizer=olga, start_time=NOW + timedelta(hours=1), end_time=ENDS)
    attended(event, ana)
    clock.move_to(ENDS)
    return event


def path_of(event: Event) -> str:
    return f"/api/events/{event.pk}/feedback/"


def code_of(response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def ratings(client, event: Event) -> tuple[float | None, int]:
    body = client.get(f"/api/events/{event.pk}/").json()
    return body["average_rating"], body["feedback_count"]


def test_an_attendee_rates_and_anyone_reads(anyone, ana, event, signed_in):
    response = signed_in(ana).post(path_of(event), {"rating": 4, "comment": "Good coffee."})
    read = anyone.get(path_of(event))

    feedback = Feedback.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": feedback.pk,
        "rating": 4,
        "comment": "Good coffee.",
        "author": {"id": ana.pk, "username": "ana"},
        "created_at": "2027-01-15T15:00:00Z",
    }
    assert response["Location"] == f"http://testserver/api/feedback/{feedback.pk}/"
    assert read.json() == {"next": None, "previous": None, "results": [response.json()]}
    assert anyone.get(response["Location"]).json() == response.json()
    assert ratings(anyone, event) == (4.0, 1)


def test_a_comment_may_be_left_out(ana, event, signed_in):
    response = signed_in(ana).post(path_of(event), {"rating": 5})

    assert (response.status_code, response.json()["comment"]) == (201, "")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "rating", "required"),
        ({"rating": 0}, "rating", "min_value"),
        ({"rating": 6}, "rating", "max_value"),
        ({"rating": 4.5}, "rating", "invalid"),
        ({"rating": "5"}, "rating", "invalid"),
        ({"rating": True}, "rating", "invalid"),
        ({"rating": None}, "rating", "null"),
        ({"rating": 5, "comment": 5}, "comment", "invalid"),
        ({"rating": 5, "comment": "x" * 5001}, "comment", "max_length"),
        ({"rating": 5, "comment": "\x00"}, "comment", "invalid"),
    ],
)
def test_invalid_feedback_is_refused(ana, event, signed_in, body, field, code):
    refused = signed_in(ana).post(path_of(event), body)

    assert code_of(refused) == (400, "validation_error")
    assert [(e["field"], e["code"]) for e in refused.json()["errors"]][:1] == [(field, code)]
    assert not Feedback.objects.exists()


def test_feedback_opens_at_the_end(clock, ana, event, signed_in):
    clock.move_to(ENDS - timedelta(seconds=1))
    client = signed_in(ana)

    early = client.post(path_of(event), {"rating": 5})
    clock.move_to(ENDS)
    then = client.post(path_of(event), {"rating": 5})

    assert code_of(early) == (409, "feedback_not_open")
    assert early.json()["opens_at"] == "2027-01-15T15:00:00Z"
    assert then.status_code == 201


def test_only_confirmed_attendees_give_feedback(clock, anyone, ana, max_, olga, signed_in):
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    registered(event)
    attended(event, ana)  # waits
    clock.move_to(event.end_time)

    assert code_of(anyone.post(path_of(event), {"rating": 5})) == (401, "not_authenticated")
    for user in (ana, max_, olga):
        assert code_of(signed_in(user).post(path_of(event), {"rating": 5})) == (
            409,
            "not_an_attendee",
        )


def test_a_guest_gives_feedback_once_the_address_is_an_account(clock, event, anyone, signed_in):
    clock.move_to(NOW)
    registered(event, email="gus@example.com")
    clock.move_to(ENDS)
    gus = UserFactory(username="gus", email="gus@example.com", email_verified_at=None)

    before = signed_in(gus).post(path_of(event), {"rating": 5})
    User.objects.filter(pk=gus.pk).update(email_verified_at=NOW)
    settle_accounts()
    after = signed_in(gus).post(path_of(event), {"rating": 5})

    assert code_of(before) == (409, "not_an_attendee")
    assert after.status_code == 201


def test_one_account_gives_feedback_once(ana, event, signed_in):
    client = signed_in(ana)
    client.post(path_of(event), {"rating": 2})

    again = client.post(path_of(event), {"rating": 5})

    assert code_of(again) == (409, "already_reviewed")
    assert Feedback.objects.get().rating == 2


def test_a_cancelled_event_takes_no_feedback(anyone, ana, event, signed_in):
    cancel_event(event)

    assert code_of(signed_in(ana).post(path_of(event), {"rating": 5})) == (409, "event_cancelled")
    assert anyone.get(path_of(event)).status_code == 200


def test_feedback_is_as_visible_as_its_event(anyone, ana, olga, event, signed_in):
    where = signed_in(ana).post(path_of(event), {"rating": 5})["Location"]
    draft = EventFactory(organizer=olga, status="draft")

    assert anyone.get(path_of(draft)).status_code == 404
    assert signed_in(ana).post(path_of(draft), {"rating": 5}).status_code == 404
    assert signed_in(olga).get(path_of(draft)).json()["results"] == []
    assert code_of(signed_in(olga).post(path_of(draft), {"rating": 5})) == (
        409,
        "event_not_published",
    )
    delete_event(event)
    assert anyone.get(path_of(event)).status_code == 404
    assert anyone.get(where).status_code == 404
    assert signed_in(ana).patch(where, {"rating": 1}).status_code == 404


def test_feedback_needs_a_confirmed_address(anyone, event, signed_in, clock):
    clock.move_to(NOW)
    max_ = UserFactory(username="max")
    attended(event, max_)
    clock.move_to(ENDS)

    before = signed_in(max_).post(path_of(event), {"rating": 1})
    User.objects.filter(pk=max_.pk).update(email_verified_at=NOW)
    after = signed_in(max_).post(path_of(event), {"rating": 5})

    assert code_of(before) == (403, "permission_denied")
    assert before.json()["detail"].startswith("Confirm your e-mail address first")
    assert after.status_code == 201
    assert ratings(anyone, event) == (5.0, 1)


def test_the_author_edits_and_deletes_feedback(anyone, ana, event, signed_in):
    client = signed_in(ana)
    where = client.post(path_of(event), {"rating": 2, "comment": "Cold."})["Location"]

    edited = client.patch(where, {"rating": 3, "author": 1, "created_at": "2000-01-01"})
    same = client.patch(where, {})

    assert (edited.status_code, same.status_code) == (200, 200)
    assert (edited.json()["rating"], edited.json()["comment"]) == (3, "Cold.")
    assert same.json() == edited.json()
    assert ratings(anyone, event) == (3.0, 1)
    assert client.delete(where).status_code == 204
    assert client.delete(where).status_code == 404
    assert ratings(anyone, event) == (None, 0)
    assert client.post(path_of(event), {"rating": 5}).status_code == 201


def test_others_do_not_change_feedback(anyone, ana, olga, max_, sam, event, signed_in):
    where = signed_in(ana).post(path_of(event), {"rating": 2})["Location"]

    assert code_of(anyone.patch(where, {"rating": 5})) == (401, "not_authenticated")
    assert code_of(anyone.delete(where)) == (401, "not_authenticated")
    for user in (olga, max_, sam):
        assert code_of(signed_in(user).patch(where, {"rating": 5})) == (403, "permission_denied")
        assert code_of(signed_in(user).delete(where)) == (403, "permission_denied")
    assert Feedback.objects.get().rating == 2


def test_the_latest_comes_first_and_no_query_is_added_by_a_row(clock, anyone, event):
    clock.move_to(NOW)
    users = UserFactory.create_batch(5)
    attended(event, *users)
    for number, user in enumerate(users):
        clock.move_to(ENDS + timedelta(minutes=number))
        Feedback.objects.create(event=event, author=user, rating=number + 1)

    def walk() -> list[int]:
        url, ratings_of_pages = f"{path_of(event)}?page_size=2", []
        while url:
            page = anyone.get(url).json()
            ratings_of_pages += [row["rating"] for row in page["results"]]
            url = page["next"]
        return ratings_of_pages

    assert walk() == [5, 4, 3, 2, 1]
    counts = []
    for size in (1, 5):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            anyone.get(f"{path_of(event)}?page_size={size}")
        counts.append(len(queries))
    assert counts == [2, 2]
    assert anyone.get(f"{path_of(event)}?rating=5").json()["code"] == "unknown_parameter"


def test_the_database_maintains_average_and_count(clock, anyone, event):
    clock.move_to(NOW)
    users = UserFactory.create_batch(3)
    attended(event, *users)

    for user, rating in zip(users, (5, 4, 4), strict=True):
        Feedback.objects.create(event=event, author=user, rating=rating)

    assert ratings(anyone, event) == (4.33, 3)
    Feedback.objects.filter(author=users[0]).update(rating=1)
    assert ratings(anyone, event) == (3.0, 3)
    Feedback.objects.all()._raw_delete("default")
    assert ratings(anyone, event) == (None, 0)


@pytest.mark.parametrize("rating", [0, 6])
def test_the_database_refuses_an_invalid_rating(ana, event, rating):
    with pytest.raises(IntegrityError, match="feedback_rating_1_to_5"), transaction.atomic():
        Feedback.objects.create(event=event, author=ana, rating=rating)


@pytest.mark.django_db(transaction=True)
def test_concurrent_ratings_are_all_counted(clock, event, signed_in):
    clock.move_to(NOW)
    users = UserFactory.create_batch(8, email_verified_at=NOW)
    attended(event, *users)
    clock.move_to(ENDS)
    clients = [signed_in(user) for user in users]

    def rating(client, number: int) -> Callable[[], int]:
        return lambda: client.post(path_of(event), {"rating": number}).status_code

    for _ in range(3):
        statuses = at_once(
            *(rating(client, 1 + number % 5) for number, client in enumerate(clients))
        )

        event.refresh_from_db()
        assert statuses == [201] * 8
        assert (float(event.average_rating), event.feedback_count) == (2.63, 8)
        Feedback.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_concurrent_ratings_by_one_account_count_once(ana, event, signed_in):
    clients = [signed_in(ana) for _ in range(4)]

    def rating(client) -> Callable[[], int]:
        return lambda: client.post(path_of(event), {"rating": 5}).status_code

    statuses = at_once(*map(rating, clients))

    assert sorted(statuses) == [201, 409, 409, 409]
    assert Feedback.objects.count() == 1


def test_integrity_finds_and_repairs_a_wrong_average(clock, ana, event):
    clock.move_to(NOW)
    other = UserFactory()
    attended(event, other)
    Feedback.objects.create(event=event, author=ana, rating=4)
    Feedback.objects.create(event=event, author=other, rating=5)
    assert list(find_faults()) == []
    Event.objects.update(average_rating=1, feedback_count=9)

    (fault,) = find_faults()
    repair_counters(event.pk)

    assert fault.event_id == event.pk
    assert fault.detail == "feedback_count 9, shown 2; average_rating 1.00, of those 4.50"
    assert list(find_faults()) == []


def test_closing_an_account_retains_its_rating_and_erases_its_comment(
    anyone, ana, event, signed_in
):
    client = signed_in(ana)
    client.post(path_of(event), {"rating": 4, "comment": "Ask ana@example.com for photos."})

    assert client.delete("/api/me/", {"password": PASSWORD}).status_code == 204

    (item,) = anyone.get(path_of(event)).json()["results"]
    assert (item["rating"], item["comment"]) == (4, "")
    assert item["author"] == {"id": ana.pk, "username": f"erased:{ana.pk}"}
    assert ratings(anyone, event) == (4.0, 1)


def test_a_comment_made_while_the_account_closes_is_erased_later(ana, event):
    User.objects.filter(pk=ana.pk).update(erased_at=NOW)
    Feedback.objects.create(event=event, author=ana, rating=4, comment="Just in time.")

    settle_accounts()

    assert Feedback.objects.get().comment == ""


# --- moderation ---


@pytest.fixture
def root(client) -> Client:
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    return client


ADMIN = "/admin/registrations/feedback/"


def act(client: Client, action: str, feedback: Feedback, **answer: str):
    return client.post(ADMIN, {"action": action, "_selected_action": [feedback.pk], **answer})


def test_staff_hide_feedback_with_a_reason_and_show_it_again(anyone, ana, event, root, signed_in):
    author = signed_in(ana)
    where = author.post(path_of(event), {"rating": 1, "comment": "<b>Buy pills</b>"})["Location"]
    feedback = Feedback.objects.get()

    question_page = act(root, "hide_selected", feedback)
    unreasoned = act(root, "hide_selected", feedback, confirmed="yes", reason=" ")
    assert (question_page.status_code, unreasoned.status_code) == (200, 200)
    assert ratings(anyone, event) == (1.0, 1)
    assert act(root, "hide_selected", feedback, confirmed="yes", reason="spam").status_code == 302

    feedback.refresh_from_db()
    assert (feedback.hidden_reason, feedback.hidden_by.username) == ("spam", "root")
    assert ratings(anyone, event) == (None, 0)
    assert anyone.get(path_of(event)).json()["results"] == []
    assert anyone.get(where).status_code == 404
    assert author.get(where).status_code == 200
    assert code_of(author.patch(where, {"rating": 5})) == (403, "permission_denied")
    assert code_of(author.delete(where)) == (403, "permission_denied")
    assert code_of(author.post(path_of(event), {"rating": 1})) == (409, "already_reviewed")

    assert act(root, "show_selected", feedback).status_code == 302
    assert ratings(anyone, event) == (1.0, 1)
    assert author.patch(where, {"rating": 5}).status_code == 200
    history = root.get(f"{ADMIN}{feedback.pk}/history/").content.decode()
    assert "<td>hidden</td>" in history
    assert "<td>shown again</td>" in history
    assert "hidden_reason: — → spam" in root.get(f"{ADMIN}{feedback.pk}/change/").content.decode()


def test_the_admin_shows_feedback_and_edits_none(ana, event, root):
    feedback = Feedback.objects.create(event=event, author=ana, rating=1, comment="<b>Pills</b>")

    listed, page = root.get(ADMIN), root.get(f"{ADMIN}{feedback.pk}/change/")
    search_page = root.get(f"{ADMIN}?q=pills&hidden_at=no")

    assert (listed.status_code, page.status_code, search_page.status_code) == (200, 200, 200)
    assert "&lt;b&gt;Pills&lt;/b&gt;" in search_page.content.decode()
    assert root.post(f"{ADMIN}{feedback.pk}/change/", {"rating": 5}).status_code == 403
    assert root.post(f"{ADMIN}{feedback.pk}/delete/", {"post": "yes"}).status_code == 403
    assert root.get(f"{ADMIN}add/").status_code == 403


def test_the_database_requires_a_reason_for_hiding(ana, event):
    feedback = Feedback.objects.create(event=event, author=ana, rating=1)

    with (
        pytest.raises(IntegrityError, match="hidden_feedback_has_its_reason"),
        transaction.atomic(),
    ):
        Feedback.objects.filter(pk=feedback.pk).update(hidden_at=NOW)
