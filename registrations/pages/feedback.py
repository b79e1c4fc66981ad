"""The page where somebody who attended says how it was, and changes what they said."""

from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from accounts.models import User
from config.api.pages import mail_page, read_form, sentences, token_of
from config.errors import DomainError
from events.models import Event

from .. import services
from ..models import Feedback, Registration
from ..serializers import FeedbackIn
from ..tickets import feedback_opens

_STARS = (
    (5, "very good"),
    (4, "good"),
    (3, "fair"),
    (2, "poor"),
    (1, "very poor"),
)
_NEWS = {
    "given": "Thank you. Your feedback is there for everybody to read.",
    "changed": "Your feedback is changed.",
}


@mail_page
def say_how_it_was(request: HttpRequest, pk: UUID) -> HttpResponse:
    token = token_of(request)
    registration = _registration(pk)
    author = registration.user if registration is not None else None
    if registration is None or author is None or not feedback_opens(token, pk, author.pk):
        return render(request, "registrations/no_registration.html", status=404)
    event = registration.event
    feedback = Feedback.objects.filter(event=event, author=author).first()
    mistakes: list[str] = []
    if request.method == "POST":
        try:
            done = _say(request, event, author, feedback)
        except DomainError as refusal:
            mistakes = sentences(refusal)
        else:
            query = urlencode({"token": token, "done": done})
            return HttpResponseRedirect(f"{reverse('say-how-it-was', args=(pk,))}?{query}")
    shown = {
        "registration": registration,
        "event": event,
        "author": author,
        "token": token,
        "closed": _why_closed(event, author, feedback),
        "stars": _STARS,
        "rating": request.POST.get("rating", str(feedback.rating) if feedback else ""),
        "comment": request.POST.get("comment", feedback.comment if feedback else ""),
        "is_given": feedback is not None,
        "mistakes": mistakes,
        "news": _NEWS.get(request.GET.get("done", "")),
    }
    status = 400 if mistakes else 200
    return render(request, "registrations/say_how_it_was.html", shown, status=status)


def _registration(pk: UUID) -> Registration | None:
    """With its account: only accounts give feedback."""
    return (
        Registration.objects.opened_by_link()
        .select_related("event", "user")
        .filter(pk=pk, user__is_active=True)
        .first()
    )


def _say(request: HttpRequest, event: Event, author: User, feedback: Feedback | None) -> str:
    """Give or change what the form says; which of `_NEWS` that makes. Raises `DomainError`."""
    given = read_form(FeedbackIn, request.POST)
    if feedback is not None:
        services.edit_feedback(feedback, given)
        return "changed"
    services.give_feedback(event, author=author, has_mailed_link=True, **given)
    return "given"


def _why_closed(event: Event, author: User, feedback: Feedback | None) -> str:
    """Why there is nothing to fill in; empty when there is."""
    if feedback is not None:
        return "Staff have hidden your feedback." if feedback.hidden_at else ""
    try:
        services.check_feedback_open(event, author, has_mailed_link=True)
    except DomainError as refusal:
        return refusal.message
    return ""
