"""Webhooks and deliveries in the admin, and their metrics."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.audit import changes_of
from accounts.tests.factories import UserFactory
from config.tests.metric_samples import samples
from registrations.models import Webhook, WebhookDelivery
from registrations.tests.factories import WebhookFactory
from registrations.webhooks.claims import senders
from registrations.webhooks.secrets import secrets_of

pytestmark = pytest.mark.django_db
WEBHOOKS = "/admin/registrations/webhook/"
DELIVERIES = "/admin/registrations/webhookdelivery/"


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def webhook(olga) -> Webhook:
    return WebhookFactory(user=olga, description="Members' list")


def delivery_of(webhook: Webhook, state: str, **fields) -> WebhookDelivery:
    return WebhookDelivery.objects.create(
        webhook=webhook, type="webhook.test", state=state, created_at=timezone.now(), **fields
    )


def test_staff_see_a_webhook_without_its_secret(root, webhook):
    [secret] = secrets_of(webhook)

    listed = root.get(f"{WEBHOOKS}?q=olga").content.decode()
    page = root.get(f"{WEBHOOKS}{webhook.pk}/change/").content.decode()

    assert webhook.url in listed
    assert "Members&#x27; list" in page
    assert secret.removeprefix("whsec_") not in listed + page


def test_staff_disable_a_webhook(root, webhook):
    form = {"action": "disable_webhooks", "_selected_action": [webhook.pk], "confirmed": "yes"}

    root.post(WEBHOOKS, form)

    webhook.refresh_from_db()
    assert (webhook.enabled, webhook.disabled_reason) == (False, "by_owner")
    assert changes_of(webhook)[0].action == "edited"


def test_staff_see_attempts_and_send_again(root, webhook):
    failed = delivery_of(webhook, "failed", tries=10)
    failed.attempts.create(at=timezone.now(), status=500, ms=41, excerpt="<b>Out of order</b>")
    pending = delivery_of(webhook, "pending", tries=3)

    listed = root.get(f"{DELIVERIES}?q={webhook.url}").content.decode()
    page = root.get(f"{DELIVERIES}{failed.pk}/change/").content.decode()
    root.post(
        DELIVERIES,
        {"action": "send_selected_again", "_selected_action": [failed.pk, pending.pk]},
    )

    assert failed.change in listed
    assert "500 after 41 ms" in page
    assert "&lt;b&gt;Out of order" in page
    tries = WebhookDelivery.objects.order_by("pk").values_list("state", "tries")
    assert list(tries) == [("pending", 0), ("pending", 3)]


@pytest.mark.parametrize("text", ["abc", "99999999999999999999", "%00", "'"])
def test_a_search_for_anything_is_no_error(root, webhook, text):
    assert root.get(f"{DELIVERIES}?q={text}").status_code == 200


def test_webhooks_and_deliveries_are_counted(client, clock, webhook):
    WebhookFactory(user=webhook.user, failing_since=timezone.now())
    WebhookFactory(user=webhook.user, enabled=False)
    WebhookFactory(user=webhook.user, enabled=False, deleted_at=timezone.now())
    due = timezone.now() - timedelta(seconds=90)
    delivery_of(webhook, "pending", attempt_at=due)
    delivery_of(webhook, "pending", attempt_at=timezone.now() + timedelta(hours=1))
    delivery_of(webhook, "delivered")
    sender = senders.register()

    values = samples(client)

    senders.unregister(sender)
    assert values["webhook_deliveries_due"] == 1
    assert values["webhook_deliveries_oldest_due_seconds"] == 90
    assert values["webhook_senders"] == 1
    for state in ("working", "failing", "disabled"):
        assert samples(client, state=state)["webhooks"] == 1
    by_state = {
        state: samples(client, state=state)["webhook_deliveries_last_hour"]
        for state in ("pending", "delivered", "failed", "dropped")
    }
    assert by_state == {"pending": 2, "delivered": 1, "failed": 0, "dropped": 0}
