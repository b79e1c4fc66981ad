"""Feedback of attendees after an event, and its moderation by staff."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import audited
from accounts.models import User
from config.api.text.instants import render_instant
from config.errors import NotFound, PermissionDenied
from events.errors import EventCancelled, EventNotPublished
from events.models import Event

from ..errors import AlreadyReviewed, FeedbackNotOpen, NotAnAttendee
from ..models import Feedback, Registration


def give_feedback(
    event: Event, *, author: User, rating: int, comment: str = "", has_mailed_link: bool = False
) -> Feedback:
    """Rates an event from 1 to 5. An account that had a seat does so once.

    For `has_mailed_link` see `check_feedback_open`. Raises the first that applies of
    `EventCancelled`, `EventNotPublished`, `FeedbackNotOpen`, `NotAnAttendee`, `PermissionDenied`,
    `AlreadyReviewed`.
    """
    check_feedback_open(event, author, has_mailed_link=has_mailed_link)
    try:
        with transaction.atomic():
            return Feedback.objects.create(
                event=event, author=author, rating=rating, comment=comment
            )
    except IntegrityError as error:
        if "one_feedback_per_account" in str(error):
            raise AlreadyReviewed from error
        raise


def check_feedback_open(event: Event, author: User, *, has_mailed_link: bool = False) -> None:
    """Checks that the author may give feedback now, whether or not they already have.

    Feedback is public with the author's name. So the author has to prove their address, by a
    confirmed one or by the mailed link. Otherwise one person could rate from many made-up accounts.
    Raises the first that applies of `EventCancelled`, `EventNotPublished`, `FeedbackNotOpen`,
    `NotAnAttendee`, `PermissionDenied`.
    """
    if event.status == Event.Status.CANCELLED:
        raise EventCancelled
    if event.status == Event.Status.DRAFT:
        raise EventNotPublished
    if timezone.now() < event.end_time:
        raise FeedbackNotOpen(opens_at=render_instant(event.end_time))
    if not Registration.objects.filter(
        event=event, user=author, status=Registration.Status.CONFIRMED
    ).exists():
        raise NotAnAttendee
    if not (author.email_verified or has_mailed_link):
        raise PermissionDenied(
            "Confirm your e-mail address first: feedback needs a confirmed address."
        )


@transaction.atomic
def edit_feedback(feedback: Feedback, changes: dict[str, Any]) -> Feedback:
    """Changes the rating or the comment. Raises `NotFound`, `PermissionDenied`."""
    feedback = _lock_visible(feedback)
    for name, value in changes.items():
        setattr(feedback, name, value)
    feedback.save(update_fields=list(changes))
    return feedback


@transaction.atomic
def delete_feedback(feedback: Feedback) -> None:
    """Deletes feedback; its author may give another. Raises `NotFound`, `PermissionDenied`."""
    _lock_visible(feedback).delete()


@transaction.atomic
@audited("hidden")
def hide_feedback(feedback: Feedback, *, reason: str, by: User) -> None:
    """Hides feedback from the public and from the average. Hidden feedback stays unchanged."""
    feedback = _lock_feedback(feedback)
    if feedback.hidden_at is None:
        feedback.hidden_at = timezone.now()
        feedback.hidden_by, feedback.hidden_reason = by, reason
        feedback.save(update_fields=["hidden_at", "hidden_by", "hidden_reason"])


@transaction.atomic
@audited("shown again")
def show_feedback(feedback: Feedback) -> None:
    """Shows hidden feedback again."""
    feedback = _lock_feedback(feedback)
    if feedback.hidden_at is not None:
        feedback.hidden_at = feedback.hidden_by = None
        feedback.hidden_reason = ""
        feedback.save(update_fields=["hidden_at", "hidden_by", "hidden_reason"])


def _lock_visible(feedback: Feedback) -> Feedback:
    """The locked row. Raises `PermissionDenied` if it is hidden: an edit would publish it again."""
    feedback = _lock_feedback(feedback)
    if feedback.hidden_at is not None:
        raise PermissionDenied("Staff have hidden this feedback; it can no longer be changed.")
    return feedback


def _lock_feedback(feedback: Feedback) -> Feedback:
    row = (
        Feedback.objects.for_display()
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=feedback.pk)
        .first()
    )
    if row is None:  # deleted since the caller read it
        raise NotFound
    return row
