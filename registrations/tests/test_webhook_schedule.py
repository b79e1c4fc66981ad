"""When an attempt follows another, and when a webhook is disabled."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.http import http_date

from accounts.models import Notification
from registrations.models import Webhook, WebhookDelivery
from registrations.tests.factories import WebhookFactory
from registrations.webhooks.outcomes import Outcome, settle
from registrations.webhooks.schedule import next_attempt_at

SENDER = 7


@pytest.fixture
def webhook(olga, clock) -> Webhook:
    return WebhookFactory(user=olga)


def outcome(webhook, *, status=500, tries=0, **fields) -> Outcome:
    delivery = WebhookDelivery.objects.create(
        webhook=webhook, type="webhook.test", state="pending", tries=tries, claimed_by=SENDER
    )
    now = timezone.now()
    return Outcome(delivery, now, now, status=status, error=fields.pop("error", None), **fields)


def test_delays_between_attempts(clock):
    now = timezone.now()
    expected = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]

    for tries, seconds in enumerate(expected, 1):
        times = {next_attempt_at(tries, now, None) - now for _ in range(50)}
        assert min(times) >= timedelta(seconds=0.8 * seconds)
        assert max(times) <= timedelta(seconds=1.2 * seconds)
        assert len(times) > 1
    assert next_attempt_at(10, now, None) is None
    assert next_attempt_at(10, now, "60") is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3600", 3600),
        (" 3600 ", 3600),
        ("99999999999999999999", 86400),
        ("1", 0),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("", 0),
        ("\u0663", 0),
        ("Wed, 99 Foo 2027", 0),
    ],
)
def test_retry_after_in_seconds(clock, text, seconds):
    now = timezone.now()

    delay = (next_attempt_at(1, now, text) - now).total_seconds()

    assert delay == seconds if seconds else 4 <= delay <= 6


@pytest.mark.parametrize(("hours", "expected"), [(1, 1), (-1, 0), (48, 24)])
def test_retry_after_as_a_date(clock, hours, expected):
    now = timezone.now()
    text = http_date((now + timedelta(hours=hours)).timestamp())

    delay = next_attempt_at(1, now, text) - now

    assert round(delay / timedelta(hours=1)) == expected


def test_delivery_fails_after_ten_attempts(webhook):
    last = outcome(webhook, tries=9)

    settle(SENDER, [last])

    last.delivery.refresh_from_db()
    assert (last.delivery.state, last.delivery.tries) == ("failed", 10)


def test_what_another_sender_has_claimed_stays(webhook):
    lost = outcome(webhook, status=200)
    WebhookDelivery.objects.update(claimed_by=8)

    settle(SENDER, [lost])

    lost.delivery.refresh_from_db()
    assert lost.delivery.state == "pending"
    assert not lost.delivery.attempts.exists()


def test_webhook_fails_after_five_days_and_twenty_failures(webhook, clock):
    settle(SENDER, [outcome(webhook) for _ in range(30)])
    clock.shift(timedelta(days=5, seconds=-1))
    settle(SENDER, [outcome(webhook)])
    webhook.refresh_from_db()
    assert webhook.enabled
    clock.shift(timedelta(seconds=1))

    settle(SENDER, [outcome(webhook)])

    webhook.refresh_from_db()
    assert (webhook.enabled, webhook.disabled_reason) == (False, "failing")
    assert Notification.objects.filter(kind="webhook_disabled", user=webhook.user).count() == 1


def test_nineteen_failures_do_not_disable(webhook, clock):
    settle(SENDER, [outcome(webhook) for _ in range(18)])
    clock.shift(timedelta(days=9))
    settle(SENDER, [outcome(webhook, status=None, error="timeout")])
    webhook.refresh_from_db()
    assert webhook.enabled

    settle(SENDER, [outcome(webhook)])

    webhook.refresh_from_db()
    assert not webhook.enabled


def test_a_success_begins_anew(webhook, clock):
    settle(SENDER, [outcome(webhook) for _ in range(30)])
    clock.shift(timedelta(days=9))

    settle(SENDER, [outcome(webhook, status=204)])
    settle(SENDER, [outcome(webhook)])

    webhook.refresh_from_db()
    assert webhook.enabled
    assert (webhook.failures, webhook.failing_since) == (1, timezone.now())
    assert webhook.last_success_at == timezone.now()


def test_gone_disables_at_once(webhook):
    settle(SENDER, [outcome(webhook, status=410), outcome(webhook, status=410)])

    webhook.refresh_from_db()
    assert (webhook.enabled, webhook.disabled_reason) == (False, "gone")
    assert Notification.objects.filter(kind="webhook_disabled").count() == 1
