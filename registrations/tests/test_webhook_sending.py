"""From a change to the request: what is sent, to whom, and what becomes of it."""

import asyncio
import hmac
import time
from base64 import b64decode, b64encode
from collections import Counter
from datetime import timedelta
from ipaddress import ip_address, ip_network
from threading import Event as Flag

import pytest
from django.utils import timezone

from accounts.models import Notification
from accounts.notifications.mailer import Mailer
from accounts.tests.factories import key_client
from events.models import TeamMember
from events.services import edit_event
from events.tests.factories import EventFactory, with_role
from registrations.changes.log import sequence_changes
from registrations.models import (
    Change,
    LedgerEntry,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
)
from registrations.services import cancel_registration
from registrations.tests.factories import WebhookFactory, registered
from registrations.tests.receivers import Receiver, response, running
from registrations.webhooks import exchange, lanes, rendering
from registrations.webhooks.lanes import Job, Lanes
from registrations.webhooks.outcomes import Outcome
from registrations.webhooks.queueing import queue_test
from registrations.webhooks.secrets import secrets_of
from registrations.webhooks.sender import Sender
from registrations.webhooks.subscriptions import end_of_log

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("changes")]
PATH = "/api/webhooks/"
GUEST = {"name": "Bob", "email": "bob@example.com"}


@pytest.fixture(autouse=True)
def _opened(settings):
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def receiver():
    with running(Receiver()) as receiver:
        yield receiver


@pytest.fixture
def webhook(olga, event, receiver):
    return WebhookFactory(user=olga, url=receiver.url, starts_after=end_of_log())


def send(seconds: float = 20) -> None:
    """Send until nothing is due.

    A transaction of another test's database that has just begun delays the log for a moment.
    """
    sender = Sender(Flag())
    ends = time.monotonic() + seconds
    while _is_delayed() and time.monotonic() < ends:
        sequence_changes()
    try:
        while sender.send_due():
            assert time.monotonic() < ends
    finally:
        sender.close()


def _is_delayed() -> bool:
    """Whether a committed change of a registration is not in the log yet."""
    logged = Change.objects.values("source_id")
    return LedgerEntry.objects.exclude(pk__in=logged).exists()


def delivery_of(webhook) -> WebhookDelivery:
    return WebhookDelivery.objects.get(webhook=webhook)


def attempts_of(webhook) -> list[tuple[int | None, str | None]]:
    attempts = WebhookAttempt.objects.filter(delivery__webhook=webhook).order_by("pk")
    return list(attempts.values_list("status", "error"))


def signatures_of(request, webhook) -> list[str]:
    headers = request.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    keys = [b64decode(secret.removeprefix("whsec_")) for secret in secrets_of(webhook)]
    return ["v1," + b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]


# --- what is sent ---


def test_a_change_is_sent_as_the_feed_has_it(webhook, receiver, signed_in, olga, event):
    registered(event, **GUEST)

    send()

    [request] = receiver.requests
    [change] = signed_in(olga).get("/api/changes/", {"type": "registration.*"}).json()["results"]
    assert request.change == change
    assert change["data"]["email"] == GUEST["email"]
    assert request.head == "POST /hook HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == change["id"]
    assert request.headers["webhook-signature"].split() == signatures_of(request, webhook)
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 30
    assert delivery_of(webhook).state == "delivered"
    assert attempts_of(webhook) == [(200, None)]


def test_webhook_shows_what_became_of_it(webhook, receiver, signed_in, olga, event):
    registered(event, **GUEST)
    send()

    client = signed_in(olga)
    shown = client.get(f"{PATH}{webhook.pk}/").json()
    [delivery] = client.get(f"{PATH}{webhook.pk}/deliveries/").json()["results"]

    assert shown["last_success_at"] is not None
    assert (shown["pending"], shown["failing_since"]) == (0, None)
    assert delivery["change"] == receiver.requests[0].headers["webhook-id"]
    assert (delivery["type"], delivery["state"]) == ("registration.confirmed", "delivered")
    assert delivery["next_attempt_at"] is None
    [attempt] = delivery["attempts"]
    assert (attempt["status"], attempt["error"], attempt["excerpt"]) == (200, None, "ok")


def test_types_and_events_select_what_is_sent(receiver, olga, event):
    other = EventFactory(organizer=olga)
    WebhookFactory(
        user=olga, url=receiver.url, types=["registration.cancelled", "event.*"],
        events=[event.pk], starts_after=end_of_log(),
    )  # fmt: skip

    for each in (other, event):
        cancel_registration(registered(each), by=None)
        edit_event(each, {"description": "New"})
    send()

    assert sorted(receiver.types) == ["event.updated", "registration.cancelled"]
    assert {change["event"] for change in receiver.changes} == {event.pk}


def test_what_happened_before_the_webhook_is_not_sent(receiver, olga, event):
    registered(event)
    webhook = WebhookFactory(user=olga, url=receiver.url, starts_after=end_of_log())

    registered(event, **GUEST)
    send()

    assert [change["data"]["email"] for change in receiver.changes] == [GUEST["email"]]
    assert webhook.deliveries.count() == 1


def test_nothing_is_sent_of_events_of_others(webhook, receiver, max_):
    registered(EventFactory(organizer=max_))

    send()

    assert receiver.requests == []
    assert not WebhookDelivery.objects.exists()


def test_a_member_receives_what_the_role_shows(receiver, max_, event):
    with_role(max_, "door", event)
    WebhookFactory(user=max_, url=receiver.url, starts_after=end_of_log())

    registration = registered(event, **GUEST)
    send()

    [change] = receiver.changes
    assert change["data"] == {"id": str(registration.pk), "status": "confirmed", "party_size": 1}


def test_a_role_that_ended_before_sending_drops_the_delivery(receiver, max_, event):
    with_role(max_, "manager", event)
    webhook = WebhookFactory(user=max_, url=receiver.url, starts_after=end_of_log())
    registered(event)
    receiver.reply = response(500)
    send()
    WebhookDelivery.objects.update(attempt_at=timezone.now())
    TeamMember.objects.filter(user=max_).delete()

    send()

    assert len(receiver.requests) == 1
    assert delivery_of(webhook).state == "dropped"


def test_webhook_of_a_key_sends_what_the_key_may_read(receiver, olga, event, signed_in):
    by_key = key_client(olga, "webhooks")
    by_key.post(PATH, {"url": receiver.url, "types": ["registration.*"]})

    registration = registered(event, **GUEST)
    send()

    [change] = receiver.changes
    assert change["data"] == {"id": str(registration.pk), "status": "confirmed", "party_size": 1}


def test_the_body_is_rendered_when_it_is_sent(webhook, receiver, event):
    registration = registered(event, **GUEST)
    receiver.reply = response(500)
    send()
    cancel_registration(registration, by=None)
    WebhookDelivery.objects.update(attempt_at=timezone.now())
    receiver.reply = response(204)

    send()

    confirmed = [each for each in receiver.changes if each["type"] == "registration.confirmed"]
    assert [each["data"]["status"] for each in confirmed] == ["confirmed", "cancelled"]
    ids = [each.headers["webhook-id"] for each in receiver.requests]
    assert ids[0] in ids[1:]


def test_a_test_is_sent(webhook, receiver, signed_in, olga):
    queued = signed_in(olga).post(f"{PATH}{webhook.pk}/test/").json()

    send()

    [change] = receiver.changes
    assert (change["type"], change["id"]) == ("webhook.test", queued["change"])
    assert change["object"] == {"kind": "webhook", "id": webhook.pk}


def test_one_connection_serves_several_requests(webhook, receiver, event):
    for _ in range(40):
        registered(event)

    send()

    assert len(receiver.requests) == 40
    assert receiver.connections <= lanes.MOST_REQUESTS
    assert len({each["id"] for each in receiver.changes}) == 40


# --- disabled, replay ---


def test_a_disabled_webhook_misses_changes_and_replays_them(
    webhook, receiver, signed_in, olga, event
):
    client, path = signed_in(olga), f"{PATH}{webhook.pk}/"
    cursor = client.get("/api/changes/", {"from": "now"}).json()["next_cursor"]
    client.patch(path, {"enabled": False})
    registered(event, **GUEST)
    send()
    client.patch(path, {"enabled": True})
    send()
    assert receiver.requests == []

    queued = client.post(f"{path}replay/", {"since": cursor})
    again = client.post(f"{path}replay/", {"since": cursor, "types": ["registration.*"]})
    send()

    assert (queued.status_code, queued.json()) == (202, {"count": 1})
    assert again.json() == {"count": 0}  # still pending
    assert receiver.types == ["registration.confirmed"]
    since = (timezone.now() - timedelta(minutes=5)).isoformat()
    sent = client.post(f"{path}replay/", {"since": since, "types": ["registration.cancelled"]})
    assert sent.json() == {"count": 0}
    assert client.post(f"{path}replay/", {"since": since}).json()["count"] >= 1


def test_a_cursor_of_another_account_is_invalid(webhook, signed_in, olga, max_):
    cursor = signed_in(max_).get("/api/changes/", {"from": "now"}).json()["next_cursor"]

    answer = signed_in(olga).post(f"{PATH}{webhook.pk}/replay/", {"since": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


def test_pending_deliveries_of_a_disabled_webhook_are_dropped(webhook, receiver, event):
    receiver.reply = response(500)
    registered(event)
    send()
    Webhook.objects.update(enabled=False, disabled_reason="by_owner")

    send()

    assert delivery_of(webhook).state == "dropped"


# --- receivers that fail ---


@pytest.mark.parametrize("status", [199, 300, 301, 302, 308, 400, 404, 429, 500, 503])
def test_only_2xx_is_a_success(webhook, receiver, event, status):
    reply = response(status, "no", Location=receiver.url)
    receiver.reply = lambda connection, _: connection.sendall(reply)  # and closes: 199 is no end
    registered(event)

    send()

    assert len(receiver.requests) == 1  # redirects are not followed
    delivery = delivery_of(webhook)
    assert (delivery.state, delivery.tries) == ("pending", 1)
    expected = (None, "incomplete_response") if status == 199 else (status, None)
    assert attempts_of(webhook) == [expected]
    webhook.refresh_from_db()
    assert webhook.failing_since is not None


def test_retry_after_applies_if_it_is_later(webhook, receiver, event):
    receiver.reply = response(429, Retry_After="3600")
    registered(event)

    send()

    waits = delivery_of(webhook).attempt_at - timezone.now()
    assert timedelta(minutes=59) < waits <= timedelta(minutes=60)


def test_410_disables_the_webhook_and_mails_its_owner(webhook, receiver, event, mailoutbox):
    receiver.reply = response(410)
    registered(event)

    send()
    mailer = Mailer()
    while mailer.deliver_batch():
        pass
    mailer.close()

    webhook.refresh_from_db()
    assert (webhook.enabled, webhook.disabled_reason) == (False, "gone")
    assert delivery_of(webhook).state == "failed"
    [mail] = [each for each in mailoutbox if "webhook" in each.subject]
    assert mail.to == [webhook.user.email]
    assert receiver.url in Notification.objects.get(kind="webhook_disabled").body


def test_a_receiver_that_is_not_there(webhook, event):
    Webhook.objects.update(url="http://127.0.0.1:1/")
    registered(event)

    send()

    assert attempts_of(webhook) == [(None, "connection_refused")]


def test_a_receiver_that_hangs_is_given_up(webhook, receiver, event, monkeypatch):
    monkeypatch.setattr(exchange, "SECONDS", 0.3)
    receiver.reply = lambda connection, _: connection.recv(1)
    registered(event)

    send()

    assert attempts_of(webhook) == [(None, "timeout")]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"", "connection_closed"),
        (b"HTTP/1.1 200", "incomplete_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "incomplete_response"),
        (b"SSH-2.0-OpenSSH\r\n", "invalid_response"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "response_too_large"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", None),
    ],
    ids=range(6),
)
def test_what_is_no_response_is_a_failure(webhook, receiver, event, reply, expected):
    receiver.reply = lambda connection, _: connection.sendall(reply)
    registered(event)

    send()

    [(status, error)] = attempts_of(webhook)
    assert status is None
    assert error == expected or (expected is None and error)


def test_an_endless_body_is_read_up_to_its_limit(webhook, receiver, event):
    sent = []

    def endless(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent.append(connection.send(b"x" * 10_000))

    receiver.reply = endless
    registered(event)

    send()

    assert delivery_of(webhook).state == "delivered"
    assert WebhookAttempt.objects.get().excerpt == "x" * 300


def test_an_excerpt_with_nul_is_stored(webhook, receiver, event):
    receiver.reply = response(500, "a\0b\ud7ff" + "ü" * 400)
    registered(event)

    send()

    excerpt = WebhookAttempt.objects.get().excerpt
    assert excerpt.startswith("a\ufffdb\ud7ffü")
    assert len(excerpt) == 300


def test_a_name_that_is_rebound_to_an_inner_address_is_not_reached(
    webhook, receiver, event, settings, monkeypatch
):
    addresses = ["127.0.0.1", "127.0.0.2"]
    monkeypatch.setattr(exchange, "look_up", lambda host: [ip_address(addresses.pop(0))])
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.1/32")]
    Webhook.objects.update(url=f"http://rebinding.example:{receiver.port}/")
    registered(event)
    send()

    registered(event)
    send()

    assert len(receiver.requests) == 1
    assert attempts_of(webhook) == [(200, None), (None, "address_not_allowed")]


def test_a_slow_receiver_delays_no_other_one(webhook, receiver, olga, event):
    is_over = Flag()
    slow = Receiver(reply=lambda *_: is_over.wait(30))
    with running(slow):
        WebhookFactory(user=olga, url=slow.url, starts_after=webhook.starts_after)
        for _ in range(30):
            registered(event)
        sender = Sender()
        while len(receiver.requests) < 30 or not slow.requests:
            sender.send_due()
        number = len(slow.requests)
        is_over.set()
        sender.close()

    assert len(receiver.requests) == 30
    assert number <= lanes.FIRST_REQUESTS  # none of them has ended before


def test_a_job_that_waited_for_too_long_is_not_attempted(webhook, receiver, event, monkeypatch):
    monkeypatch.setattr(lanes, "_MAX_AGE_SECONDS", -1)
    registered(event)
    sender = Sender()
    for _ in range(5):
        sender.send_due()
    sender.close()

    assert receiver.requests == []
    assert (delivery_of(webhook).state, delivery_of(webhook).claimed_by) == ("pending", None)


def test_a_delivery_that_cannot_be_rendered_stops_no_other(webhook, receiver, event, monkeypatch):
    registered(event)
    poison = registered(event)
    real = rendering.render_changes

    def render(changes, request):
        if any(change.object_id == str(poison.pk) for change in changes):
            raise RuntimeError("a fault")
        return real(changes, request)

    monkeypatch.setattr(rendering, "render_changes", render)

    send()

    states = dict(WebhookDelivery.objects.values_list("state", "attempts__error"))
    assert states == {"delivered": None, "pending": "internal_error"}
    assert len(receiver.requests) == 1


def test_requests_to_all_receivers_have_a_limit(receiver, olga, monkeypatch):
    monkeypatch.setattr(lanes, "MAX_REQUESTS", 1)
    for _ in range(4):
        webhook = WebhookFactory(user=olga, url=receiver.url)
        for _ in range(3):
            queue_test(webhook)

    send()

    assert len(receiver.requests) == 12
    assert receiver.connections == 1


def test_requests_of_one_owner_have_a_limit(monkeypatch):
    running, most = Counter(), Counter()

    async def attempt(client, job):
        running[job.owner] += 1
        most[job.owner] = max(most[job.owner], running[job.owner])
        for _ in range(5):
            await asyncio.sleep(0)
        running[job.owner] -= 1
        return Outcome(job.delivery, timezone.now(), timezone.now(), status=200, error=None)

    monkeypatch.setattr(lanes, "MAX_REQUESTS_OF_OWNER", 3)
    monkeypatch.setattr(lanes, "_attempt", attempt)
    jobs = [
        Job(WebhookDelivery(webhook_id=10 * owner + number), "", (), b"", owner)
        for owner in (1, 2)
        for number in range(4)
        for _ in range(6)
    ]
    sending, done = Lanes(), []
    sending.submit(jobs)
    while len(done) < len(jobs) and (some := sending.take_done(10)):
        done += some
    sending.close()

    # Three to the first receiver, and two to each of the others.
    assert most == {1: 9, 2: 9}
    assert len(done) == 48
