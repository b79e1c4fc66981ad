"""Lines of the mailer have the id of the request that caused the notification."""

import pytest

from accounts.models import Notification
from accounts.notifications import notify
from accounts.notifications.mailer import Mailer
from config.api.request_ids import request_in_progress
from config.tests.log_lines import log_lines_of

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("note_kinds")
def test_lines_of_the_mailer_have_the_request_that_caused_the_notification():
    with request_in_progress("one"):
        notify("ticket", key="k", email="bob@example.com", facts={"broken": True})
    mailer = Mailer()

    with log_lines_of("accounts.notifications") as lines:
        mailer.deliver_batch()
    mailer.close()

    [line] = [line for line in lines.all() if "failed" in line["event"]]
    row = Notification.objects.get(key="k")
    assert (line["request_id"], line["notification_id"], line["kind"]) == ("one", row.pk, "ticket")
