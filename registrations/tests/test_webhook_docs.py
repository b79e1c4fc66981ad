"""What `docs/webhooks.md` and `docs/changes.md` show works with what is sent."""

import json
import re
import shutil
import subprocess
from ipaddress import ip_network
from itertools import islice
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from accounts.keys import new_secret
from accounts.tests.factories import KeyFactory
from registrations.tests.factories import WebhookFactory, registered
from registrations.tests.receivers import Receiver, running
from registrations.tests.test_webhook_sending import send
from registrations.webhooks.secrets import secrets_of
from registrations.webhooks.subscriptions import end_of_log, rotate_secret

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("changes")]
DOCS = Path(__file__).parents[2] / "docs"
NODE = shutil.which("node")


def example(page: str, language: str) -> str:
    [code] = re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    return code


def run_node(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [NODE, "-e", script, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


@pytest.fixture
def sent(olga, event, settings):
    """A webhook with two secrets, and the request that it has sent."""
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]
    with running(Receiver()) as receiver:
        webhook = WebhookFactory(user=olga, url=receiver.url, starts_after=end_of_log())
        rotate_secret(webhook, overlap_hours=1)
        registered(event)
        send()
    webhook.refresh_from_db()
    [request] = receiver.requests
    return webhook, request


def test_the_library_of_the_convention_verifies_both_signatures(sent):
    webhook, request = sent

    for secret in secrets_of(webhook):
        assert Verifier(secret).verify(request.body, request.headers) == request.change
    with pytest.raises(WebhookVerificationError):
        Verifier("whsec_" + "A" * 43 + "=").verify(request.body, request.headers)


def test_receiver_in_python(sent):
    webhook, request = sent
    program: dict = {}
    exec(example("webhooks.md", "python"), program)
    verified = program["verified"]

    for secret in secrets_of(webhook):
        assert verified(secret, request.headers, request.body) == request.change
    for headers, body in (
        (request.headers, request.body + b" "),
        ({**request.headers, "webhook-id": "chg_0"}, request.body),
        ({**request.headers, "webhook-timestamp": "1"}, request.body),
    ):
        with pytest.raises(ValueError, match="not sent"):
            verified(secret, headers, body)


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_receiver_in_javascript(sent):
    webhook, request = sent
    script = example("webhooks.md", "javascript") + (
        "const [secret, headers, body] = process.argv.slice(1);"
        "console.log(verified(secret, JSON.parse(headers), Buffer.from(body)).id);"
    )

    def verified(secret, body):
        return run_node(script, secret, json.dumps(request.headers), body)

    for secret in secrets_of(webhook):
        assert verified(secret, request.body.decode()).strip() == request.change["id"]
    assert "not sent by the webhook" in verified(secret, request.body.decode() + " ")


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_follower_in_javascript(live_server, olga, event):
    registered(event)
    secret = new_secret()
    KeyFactory(user=olga, secret=secret)
    script = example("changes.md", "javascript") + (
        "const [site, key] = process.argv.slice(1);"
        "(async () => { for await (const change of follow(site, key)) {"
        " console.log(change.type);"
        " if (change.type === 'registration.confirmed') process.exit(); } })();"
    )

    types = run_node(script, live_server.url, secret)

    assert types.split() == ["event.created", "registration.confirmed"]


def test_follower_in_python(live_server, olga, event):
    registered(event)
    secret = new_secret()
    KeyFactory(user=olga, secret=secret)
    program: dict = {}
    exec(example("changes.md", "python"), program)

    changes = islice(program["follow"](live_server.url, secret), 2)

    assert [each["type"] for each in changes] == ["event.created", "registration.confirmed"]
