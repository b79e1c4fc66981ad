"""The e-mail of an invitation to a team."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from accounts.models import Notification, User
from accounts.notifications import Kind

from .links import invitation_link, page_url
from .models import Event, TeamMember


def _load_invitations(rows: Sequence[Notification]) -> dict[int, dict[str, Any]]:
    """Answered, withdrawn and expired invitations no longer apply."""
    open_members = (
        TeamMember.objects.filter(state=TeamMember.State.INVITED)
        .select_related("event", "series", "invited_by")
        .in_bulk([row.facts["member"] for row in rows])
    )
    return {
        row.pk: {
            "member": member,
            "subject_row": member.row,
            "is_series": member.event_id is None,
            "link": invitation_link(member.pk),
            "page_url": _page_of(member),
            "timezone": member.row.timezone,
            "is_unsolicited": True,
            "caused_by": member.invited_by_id,
        }
        for row in rows
        if (member := open_members.get(row.facts["member"]))
        and not member.has_expired()
        and member.email == row.email
        and member.row.deleted_at is None
    }


def _page_of(member: TeamMember) -> str | None:
    """The event's page. None for a series, and for a draft, whose page does not exist yet."""
    event = member.event
    is_public = event is not None and event.status != Event.Status.DRAFT
    return page_url(event) if is_public else None


def _sample() -> dict[str, Any]:
    asha = User(username="asha")
    event = Event(pk=1, name="Global AI Summit", organizer=asha)
    member = TeamMember(role="door", email="dora@example.com", invited_by=asha, event=event)
    member.expires_at = datetime.fromisoformat("2026-12-05T08:00:00Z")
    link = invitation_link(5)
    return {
        "member": member,
        "subject_row": event,
        "is_series": False,
        "link": link,
        "page_url": page_url(event),
    }


TEAM_INVITATION = Kind(
    name="team_invitation",
    title="Invitation to a team",
    template="events/mail/team_invitation.html",
    load=_load_invitations,
    in_app=False,
    sample=_sample,
)
