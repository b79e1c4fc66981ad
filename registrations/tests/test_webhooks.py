"""Subscriptions: `/api/webhooks/` and what belongs to it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.services import revoke_key
from accounts.tests.factories import UserFactory, key_client
from events.services import edit_event
from events.tests.factories import EventFactory
from registrations.changes.log import sequence_changes
from registrations.models import Change, Webhook, WebhookDelivery
from registrations.services import close_account
from registrations.tests.factories import WebhookFactory
from registrations.webhooks.retention import delete_old_deliveries
from registrations.webhooks.secrets import SecretUnreadable, decrypted, encrypted, secrets_of

pytestmark = pytest.mark.django_db
PATH = "/api/webhooks/"
URL = "https://8.8.8.8/hook"


@pytest.fixture
def client(signed_in, olga):
    return signed_in(olga)


def created(client, **fields):
    response = client.post(PATH, {"url": URL, "types": ["registration.*"], **fields})
    assert response.status_code == 201, response.content
    return response.json()


def codes(response) -> list[tuple[str, str]]:
    assert response.status_code == 400, response.content
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


# --- creating and reading ---


def test_webhook_shows_its_secret_once(client):
    body = created(client, description="Members")

    secret = body.pop("secret")
    assert secret.startswith("whsec_")
    assert body["enabled"] is True
    assert (body["events"], body["disabled_reason"], body["pending"]) == (None, None, 0)
    assert client.get(f"{PATH}{body['id']}/").json() == body
    assert client.get(PATH).json()["results"] == [body]


def test_database_has_no_secret_in_plain_text(client):
    body = created(client)

    stored = bytes(Webhook.objects.get(pk=body["id"]).secret)

    assert secrets_of(Webhook.objects.get(pk=body["id"])) == (body["secret"],)
    assert body["secret"].encode() not in stored


def test_secret_survives_the_rotation_of_the_secret_key(client, settings):
    body = created(client)
    webhook = Webhook.objects.get(pk=body["id"])
    former = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another-key-" * 4, [former]

    assert secrets_of(webhook) == (body["secret"],)
    settings.SECRET_KEY_FALLBACKS = []
    webhook.refresh_from_db()
    assert secrets_of(webhook) == (body["secret"],)  # it was encrypted anew


def test_secret_of_a_lost_secret_key_is_unreadable(settings):
    stored = encrypted("whsec_" + "A" * 43 + "=")
    settings.SECRET_KEY = "another-key-" * 4

    with pytest.raises(SecretUnreadable):
        decrypted(stored)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"types": []}, ("types", "min_length")),
        ({"types": ["registration.eaten"]}, ("types.0", "invalid_choice")),
        ({"types": None}, ("types", "null")),
        ({"url": "http://8.8.8.8/"}, ("url", "https_required")),
        ({"url": "https://8.8.8.8:8443/"}, ("url", "port_not_allowed")),
        ({"url": "https://10.0.0.1/"}, ("url", "address_not_allowed")),
        ({"url": "https://a:b@8.8.8.8/"}, ("url", "has_credentials")),
        ({"url": "no url"}, ("url", "invalid")),
        ({"url": "https://8.8.8.8/" + "a" * 2000}, ("url", "max_length")),
        ({"events": [2**40]}, ("events", "invalid")),
        ({"secret": "whsec_mine", "typo": 1}, ("typo", "unknown_field")),
    ],
)
def test_invalid_webhook_is_refused(client, fields, expected):
    response = client.post(PATH, {"url": URL, "types": ["event.created"], **fields})

    assert expected in codes(response)
    assert not Webhook.objects.exists()


def test_url_and_types_are_required(client):
    assert set(codes(client.post(PATH, {}))) == {("url", "required"), ("types", "required")}


def test_webhook_may_be_restricted_to_own_events(client, olga, max_):
    own, other = EventFactory(organizer=olga), EventFactory(organizer=max_)

    assert created(client, events=[own.pk, own.pk])["events"] == [own.pk]
    response = client.post(PATH, {"url": URL, "types": ["event.created"], "events": [other.pk]})
    assert codes(response) == [("events", "invalid")]


def test_an_account_has_ten_webhooks(client, olga):
    for _ in range(10):
        WebhookFactory(user=olga)

    response = client.post(PATH, {"url": URL, "types": ["event.created"]})

    assert response.status_code == 409
    assert (response.json()["code"], response.json()["maximum"]) == ("webhook_limit", 10)


def test_no_name_is_looked_up_beyond_the_limit(client, olga, monkeypatch):
    monkeypatch.setattr("registrations.webhooks.subscriptions.url_errors", pytest.fail)
    for _ in range(10):
        WebhookFactory(user=olga)

    response = client.post(PATH, {"url": URL, "types": ["event.created"]})

    assert response.status_code == 409


def test_deleted_webhook_is_gone_and_has_no_secret(client, olga):
    body = created(client)
    path = f"{PATH}{body['id']}/"

    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.get(PATH).json()["results"] == []
    webhook = Webhook.objects.get(pk=body["id"])
    assert (bytes(webhook.secret), webhook.url) == (b"", "")


def test_webhook_of_another_account_is_unknown(client, signed_in, max_):
    path = f"{PATH}{created(client)['id']}/"
    other = signed_in(max_)

    assert other.get(path).status_code == 404
    for route in ("rotate/", "test/", "replay/"):
        assert other.post(f"{path}{route}", {"since": "2030-01-01"}).status_code == 404


# --- editing ---


def test_webhook_is_edited(client):
    path = f"{PATH}{created(client)['id']}/"

    body = client.patch(path, {"types": ["event.*"], "description": "x", "url": URL}).json()

    assert (body["types"], body["description"]) == (["event.*"], "x")


def test_edited_url_is_checked(client):
    path = f"{PATH}{created(client)['id']}/"

    assert codes(client.patch(path, {"url": "https://10.0.0.1/"})) == [
        ("url", "address_not_allowed")
    ]


def test_disabled_and_enabled_again(client):
    path = f"{PATH}{created(client)['id']}/"
    Webhook.objects.update(failing_since=timezone.now(), failures=30)

    disabled = client.patch(path, {"enabled": False}).json()
    enabled = client.patch(path, {"enabled": True}).json()

    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "by_owner")
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
    assert enabled["failing_since"] is None
    assert Webhook.objects.get().failures == 0


def test_changes_of_a_webhook_are_audited(client):
    path = f"{PATH}{created(client)['id']}/"

    client.patch(path, {"enabled": False})
    client.post(f"{path}rotate/")
    client.delete(path)

    entries = AuditEntry.objects.filter(kind="webhook").order_by("id")
    assert [entry.action for entry in entries] == ["created", "edited", "rotated", "deleted"]
    assert "whsec" not in str([(entry.before, entry.after) for entry in entries])


# --- rotating ---


def test_both_secrets_sign_during_the_overlap(clock, client):
    body = created(client)
    path = f"{PATH}{body['id']}/rotate/"

    second = client.post(path, {"overlap_hours": 2}).json()

    assert second["previous_until"] == "2027-01-15T14:00:00Z"
    assert secrets_of(Webhook.objects.get()) == (second["secret"], body["secret"])
    clock.shift(timedelta(hours=2))
    assert secrets_of(Webhook.objects.get()) == (second["secret"],)


def test_a_second_rotation_ends_the_oldest_secret(client):
    path = f"{PATH}{created(client)['id']}/rotate/"

    second, third = client.post(path).json(), client.post(path).json()

    assert secrets_of(Webhook.objects.get()) == (third["secret"], second["secret"])


def test_without_an_overlap_the_former_secret_ends_at_once(client):
    path = f"{PATH}{created(client)['id']}/rotate/"

    second = client.post(path, {"overlap_hours": 0}).json()

    assert secrets_of(Webhook.objects.get()) == (second["secret"],)


@pytest.mark.parametrize("hours", [-1, 73, "x", None])
def test_overlap_has_limits(client, hours):
    path = f"{PATH}{created(client)['id']}/rotate/"

    assert codes(client.post(path, {"overlap_hours": hours}))[0][0] == "overlap_hours"


# --- keys ---


def test_webhook_of_a_key_ends_with_the_key(client, olga):
    body = created(key_client(olga, "webhooks"))
    path = f"{PATH}{body['id']}/"
    assert client.get(path).status_code == 200

    revoke_key(olga.keys.get())

    assert client.get(path).status_code == 404
    assert client.get(PATH).json()["results"] == []
    delete_old_deliveries()
    assert not Webhook.objects.exists()


def test_a_key_does_not_take_over_what_it_may_not_read(client, olga):
    by_owner, by_another_key = created(client), created(key_client(olga, "webhooks"))
    by_key = key_client(olga, "webhooks")
    own = created(by_key)
    responses = []

    for webhook in (by_owner, by_another_key, own):
        path = f"{PATH}{webhook['id']}/"
        assert by_key.patch(path, {"description": "x"}).status_code == 200
        responses.append(by_key.patch(path, {"url": "https://1.1.1.1/"}))

    assert [each.status_code for each in responses] == [403, 403, 200]
    assert responses[0].json()["code"] == "permission_denied"


def test_a_key_of_some_events_has_the_webhooks_that_it_created_alone(client, olga, event):
    path = f"{PATH}{created(client)['id']}/"
    by_key = key_client(olga, "webhooks", events=[event.pk])
    own = created(by_key)

    responses = [
        by_key.get(path),
        by_key.patch(path, {"types": ["event.*"]}),
        by_key.post(f"{path}rotate/"),
        by_key.post(f"{path}test/"),
        by_key.get(f"{path}deliveries/"),
        by_key.post(f"{path}replay/", {"since": timezone.now().isoformat()}),
        by_key.delete(path),
    ]

    assert [each.status_code for each in responses] == [404] * len(responses)
    assert [each["id"] for each in by_key.get(PATH).json()["results"]] == [own["id"]]
    assert by_key.post(f"{PATH}{own['id']}/rotate/").status_code == 200
    assert len(client.get(PATH).json()["results"]) == 2


def test_a_key_of_one_event_has_no_webhook_of_others(olga, event):
    other = EventFactory(organizer=olga)
    by_key = key_client(olga, "webhooks", events=[event.pk])

    body = {"url": URL, "types": ["event.updated"], "events": [other.pk]}

    assert codes(by_key.post(PATH, body)) == [("events", "invalid")]


# --- tests, deliveries, redelivery ---


def test_a_test_is_queued(client):
    path = f"{PATH}{created(client)['id']}/"

    response = client.post(f"{path}test/")

    assert response.status_code == 202
    assert (response.json()["type"], response.json()["state"]) == ("webhook.test", "pending")
    assert client.get(f"{path}deliveries/").json()["results"] == [response.json()]
    assert client.get(path).json()["pending"] == 1


def test_a_disabled_webhook_sends_nothing_on_request(client):
    path = f"{PATH}{created(client)['id']}/"
    client.patch(path, {"enabled": False})

    for route, body in (("test/", {}), ("replay/", {"since": timezone.now().isoformat()})):
        assert codes(client.post(f"{path}{route}", body)) == [(None, "invalid")]


def test_a_pending_delivery_is_not_sent_twice(client):
    path = f"{PATH}{created(client)['id']}/"
    delivery = client.post(f"{path}test/").json()
    again = f"{path}deliveries/{delivery['id']}/redeliver/"

    pending = client.post(again)
    WebhookDelivery.objects.update(state="failed", tries=10)
    ended = client.post(again)

    assert (pending.status_code, pending.json()["code"]) == (409, "delivery_pending")
    assert (ended.status_code, ended.json()["state"]) == (202, "pending")
    assert WebhookDelivery.objects.get().tries == 0


def test_few_tests_are_pending(client):
    path = f"{PATH}{created(client)['id']}/test/"

    statuses = [client.post(path).status_code for _ in range(11)]
    WebhookDelivery.objects.update(state="delivered")

    assert statuses == [202] * 10 + [409]
    assert client.post(path).status_code == 202


def test_what_is_sent_on_request_has_a_rate_limit_of_its_own(client, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "deliveries": (2, 60)}
    path = f"{PATH}{created(client)['id']}/"
    delivery = client.post(f"{path}test/").json()["id"]

    assert client.post(f"{path}replay/", {"since": timezone.now().isoformat()}).status_code == 202
    for route in ("test/", "replay/", f"deliveries/{delivery}/redeliver/"):
        assert client.post(f"{path}{route}").status_code == 429
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("is_replay", [False, True])
def test_a_delivery_that_is_sent_again_keeps_its_latest_attempts(client, event, is_replay):
    path = f"{PATH}{created(client, types=['event.*'])['id']}/"
    edit_event(event, {"description": "New"})
    sequence_changes()
    change = Change.objects.order_by("position").last()
    webhook = Webhook.objects.get()
    delivery, other = (
        WebhookDelivery.objects.create(
            webhook=webhook, type=change.type, position=position, state="failed"
        )
        for position in (change.position, None)
    )
    for each in (delivery, other):
        for number in range(25):
            each.attempts.create(at=timezone.now(), ms=number)

    if is_replay:
        since = (timezone.now() - timedelta(hours=1)).isoformat()
        response = client.post(f"{path}replay/", {"since": since})
    else:
        response = client.post(f"{path}deliveries/{delivery.pk}/redeliver/")

    assert response.status_code == 202, response.content
    kept = delivery.attempts.order_by("pk").values_list("ms", flat=True)
    assert list(kept) == list(range(5, 25))
    assert other.attempts.count() == 25


@pytest.mark.parametrize(("subscribed", "count"), [("registration.*", 0), ("event.*", 1)])
def test_replay_queues_no_type_that_the_webhook_does_not_have(client, event, subscribed, count):
    path = f"{PATH}{created(client, types=[subscribed])['id']}/replay/"
    edit_event(event, {"description": "New"})
    sequence_changes()
    since = (timezone.now() - timedelta(hours=1)).isoformat()

    response = client.post(path, {"since": since, "types": ["event.*"]})

    assert min(response.json()["count"], 1) == count


def test_a_change_that_is_no_longer_stored_is_not_sent_again(client):
    path = f"{PATH}{created(client)['id']}/"
    delivery = WebhookDelivery.objects.create(
        webhook=Webhook.objects.get(), position=7, type="event.created", state="failed"
    )

    response = client.post(f"{path}deliveries/{delivery.pk}/redeliver/")

    assert (response.status_code, response.json()["code"]) == (410, "cursor_expired")


def test_replay_since_an_instant_has_later_changes_that_were_committed_before(client, event):
    path = f"{PATH}{created(client, types=['event.*'])['id']}/replay/"
    now = timezone.now()
    Change.objects.bulk_create(
        Change(
            source_id=10**12 + number, type="event.updated", event_id=event.pk, kind="event",
            object_id=str(event.pk), at=now - timedelta(minutes=minutes), actor_kind="user",
        )
        for number, minutes in enumerate((300, 200, 5, 30, 5, 30, 4))
    )  # fmt: skip

    queued = client.post(path, {"since": (now - timedelta(minutes=10)).isoformat()})

    positions = WebhookDelivery.objects.values_list("position", flat=True)
    times = Change.objects.filter(pk__in=positions).values_list("at", flat=True)
    assert queued.json() == {"count": 3}
    assert sorted(now - at for at in times) == [timedelta(minutes=m) for m in (4, 5, 5)]


@pytest.mark.parametrize("kind", ["checked_in", "check_in_undone"])
def test_replay_since_an_instant_has_changes_before_and_by_a_late_scan(client, event, kind):
    path = f"{PATH}{created(client, types=['registration.*'])['id']}/replay/"
    now = timezone.now()
    Change.objects.bulk_create(
        Change(
            source_id=10**12 + number, type=f"registration.{verb}", event_id=event.pk,
            kind="registration", object_id="1", at=now - timedelta(minutes=minutes),
            actor_kind="user",
        )
        for number, (verb, minutes) in enumerate(
            [(kind, 30), ("confirmed", 20), ("confirmed", 5), (kind, 300), ("confirmed", 4)]
        )
    )  # fmt: skip

    queued = client.post(path, {"since": (now - timedelta(minutes=10)).isoformat()})

    positions = WebhookDelivery.objects.values_list("position", flat=True)
    changes = Change.objects.filter(pk__in=positions).order_by("position")
    assert queued.json() == {"count": 3}
    assert [now - each.at for each in changes] == [timedelta(minutes=m) for m in (5, 300, 4)]


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("2000-01-01T00:00:00Z", 410),
        ("0001-01-01T00:00:00+14:00", 410),
        ("9999-12-31T23:59:59-12:00", 202),
        ("9999-12-31T23:59:59-23:59", 202),
        ("9999-12-31T23:59:59.999999-00:01", 202),
        ("0001-01-01T00:00:00+23:59", 410),
        ("gibberish", 400),
        ("", 400),
        (5, 400),
        (None, 400),
        (["x"], 400),
    ],
)
def test_replay_begins_at_an_instant_or_a_cursor(client, since, status):
    path = f"{PATH}{created(client)['id']}/replay/"

    assert client.post(path, {"since": since}).status_code == status


# --- retention and the end of an account ---


def test_old_deliveries_and_deleted_webhooks_are_removed(clock, client, olga):
    kept, deleted = WebhookFactory(user=olga), WebhookFactory(user=olga)
    for webhook in (kept, deleted):
        for days in (0, 29, 31):
            delivery = WebhookDelivery.objects.create(
                webhook=webhook,
                type="webhook.test",
                created_at=timezone.now() - timedelta(days=days),
            )
            delivery.attempts.create(at=timezone.now(), ms=1)
    client.delete(f"{PATH}{deleted.pk}/")

    assert delete_old_deliveries() == 4
    assert list(Webhook.objects.all()) == [kept]
    assert kept.deliveries.count() == 2


def test_webhooks_end_with_the_account():
    user = UserFactory()
    WebhookFactory(user=user)

    close_account(user)

    webhook = Webhook.objects.get()
    assert (webhook.enabled, webhook.url, bytes(webhook.secret)) == (False, "", b"")


def test_export_has_the_webhooks_without_their_secrets(client):
    secret = created(client)["secret"]

    export = client.get("/api/me/export/")

    content = b"".join(export.streaming_content)
    assert URL.encode() in content
    assert secret.encode() not in content
