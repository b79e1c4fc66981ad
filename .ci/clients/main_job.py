"""README's main job with the generated client. Prints what it saw as JSON."""

import json
import sys
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TypeVar

from event_management_api_client import AuthenticatedClient, Client, models
from event_management_api_client.api.account import read_my_profile, replace_my_profile
from event_management_api_client.api.attendees import check_in, export_attendees, list_attendees
from event_management_api_client.api.calendars import read_event_calendar
from event_management_api_client.api.events import (
    create_event,
    edit_event,
    list_events,
    replace_event,
)
from event_management_api_client.api.registrations import read_ticket_png, register_for_event
from event_management_api_client.api.series import create_series, edit_series
from event_management_api_client.api.sign_in import sign_in, sign_up
from event_management_api_client.types import Unset

T = TypeVar("T")

SITE = sys.argv[1]
EMAIL, PASSWORD = "asha@example.com", "monsoon-lantern-42"


def taken(answer: T | models.DryRun | models.Problem | None) -> T:
    """What has to be a success, and no dry run."""
    if answer is None or isinstance(answer, models.DryRun | models.Problem):
        sys.exit(f"Refused: {answer}")
    return answer


def refused(answer: object) -> models.Problem:
    if not isinstance(answer, models.Problem):
        sys.exit(f"Not refused: {answer}")
    return answer


def told(value: T | Unset) -> T | None:
    return None if isinstance(value, Unset) else value


guests = Client(SITE)
user = taken(sign_up.sync(client=guests, body=models.SignUp(email=EMAIL, password=PASSWORD)))
session = taken(sign_in.sync(client=guests, body=models.SignIn(email=EMAIL, password=PASSWORD)))
api = AuthenticatedClient(SITE, token=session.access)

start = datetime.now(UTC) + timedelta(days=90)
created = taken(
    create_event.sync(
        client=api,
        body=models.EventCreate(
            name="Global AI Summit",
            description="Three days.",
            location="Bengaluru International Exhibition Centre",
            start_time=start.isoformat(),
            timezone="Asia/Kolkata",
            category="conference",
            max_capacity=2,
            waitlist_enabled=False,
        ),
    )
)

# A misspelt field does not check, and is refused.
misspelt = api.get_httpx_client().patch(f"/api/events/{created.id}/", json={"capacity_max": 3})

found = taken(list_events.sync(client=guests, search="globl sumit bengaluru", count=True))

# An edit changes what it names. What was read can be sent back as it is.
edited = taken(
    edit_event.sync(created.id, client=api, body=models.EventEdit(name="Global AI Summit 2"))
)
replaced = taken(
    replace_event.sync(created.id, client=api, body=models.EventReplace.from_dict(edited.to_dict()))
)
sent_back = api.get_httpx_client().put(f"/api/events/{created.id}/", json=edited.to_dict())
profile = taken(read_my_profile.sync(client=api))
same_profile = taken(
    replace_my_profile.sync(client=api, body=models.ProfileReplace.from_dict(profile.to_dict()))
)
series = create_series.sync(
    client=api,
    body=models.SeriesCreate(
        name="Chess club",
        location="Town library",
        timezone="Europe/Berlin",
        start_time=start.isoformat(),
        recurrence="FREQ=WEEKLY;COUNT=10",
    ),
)
if not isinstance(series, models.Series):
    sys.exit(f"No series: {series}")
same_series = taken(
    edit_series.sync(series.id, client=api, body=models.SeriesEdit.from_dict(series.to_dict()))
)


def register(name: str) -> models.NewRegistration | models.Problem | None:
    body = models.RegistrationCreate(name=name, email=f"{name}@example.com")
    made = register_for_event.sync(created.id, client=guests, body=body)
    if isinstance(made, models.Unconfirmed):  # events of another mode
        sys.exit(f"The address is not confirmed: {made}")
    return made


ana = taken(register("ana"))
taken(register("bob"))
again = refused(register("Bob"))
full = refused(register("cem"))

ticket = taken(read_ticket_png.sync(ana.id, client=guests, token=ana.manage_token))
attendees = taken(
    list_attendees.sync(
        created.id, client=api, ordering=models.ListAttendeesOrdering.NAME, count=True
    )
)
csv = taken(export_attendees.sync(created.id, client=api))
xlsx = taken(
    export_attendees.sync(created.id, client=api, format_=models.ExportAttendeesFormat.XLSX)
)
calendar = taken(read_event_calendar.sync(created.id, client=guests))
scan = models.TicketScan(ticket_code=ana.ticket_code)
first, second = (taken(check_in.sync(created.id, client=api, body=scan)) for _ in range(2))

seen = {
    "user": user.username,
    "misspelt": [[error["field"], error["code"]] for error in misspelt.json()["errors"]],
    "found": told(found.count),
    "edited": [edited.name, edited.description, edited.max_capacity, edited.category],
    "replaced": [replaced.name, replaced.description, replaced.max_capacity, replaced.category],
    "profile": [same_profile.username, same_profile.email, same_profile.role.value],
    "series": [same_series.name, same_series.occurrence_count, same_series.recurrence],
    "again": again.code.value,
    "full": [full.code.value, full.status, told(full.max_capacity)],
    "attendees": [[each.name, each.status.value] for each in attendees.results],
    "csv": len(csv.payload.read().decode().strip().split("\n")),
    "xlsx": xlsx.payload.read()[:2].decode(),
    "ticket": ticket.payload.read()[1:4].decode(),
    "calendar": calendar[:15],
    "scans": [first.already_checked_in, second.already_checked_in],
}
if sent_back.status_code != HTTPStatus.OK:
    sys.exit(f"Not taken back: {sent_back.text}")
sys.stdout.write(json.dumps(seen))
