"""Filters of the check-in page."""

from django import template

from events.models import Event

from ..models import Registration

register = template.Library()


@register.filter
def left_of(person: Registration) -> int:
    """How many of a party are not admitted yet."""
    return person.party_size - person.admitted_count


@register.filter
def door_state(person: Registration, event: Event) -> str:
    """What a volunteer has to know about a person. `door_people.js` has the same words."""
    if person.status == Registration.Status.WAITLISTED:
        return "On the waitlist"
    if person.checked_in_at is None:
        return f"Party of {person.party_size}" if person.party_size > 1 else "Not in yet"
    since = person.checked_in_at.astimezone(event.zone).strftime("%H:%M")
    if person.party_size > 1:
        return f"{person.admitted_count} of {person.party_size} in since {since}"
    return f"In since {since}"
