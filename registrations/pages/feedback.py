"""The page where an attendee gives feedback on an event, and edits it."""

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
from ..tickets import is_feedback_token

_RATINGS = (
    (5, "very good"),
    (4, "good"),
    (3, "fair"),
    (2, "poor"),
    (1, "very poor"),
)
_RESULT_TEXTS = {
    "given": "Thank you. Your feedback is there for everybody to read.",
    "changed": "Your feedback is changed.",
}


@mail_page
def feedback_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    token = token_of(request)
    registration = _registration(pk)
    author = registration.user if registration is not None else None
    if registration is None or author is None or not is_feedback_token(token, pk, author.pk):
        return render(request, "registrations/no_registration.html", status=404)
    event = registration.event
    feedback = Feedback.objects.filter(event=event, author=author).first()
    problems: list[str] = []
    if request.method == "POST":
        try:
            result = _save_feedback(request, event, author, feedback)
        except DomainError as refusal:
            problems = sentences(refusal)
        else:
            query = urlencode({"token": token, "done": result})
            return HttpResponseRedirect(f"{reverse('feedback-page', args=(pk,))}?{query}")
    context = {
        "registration": registration,
        "event": event,
        "author": author,
        "token": token,
        "closed": _closed_reason(event, author, feedback),
        "stars": _RATINGS,
        "rating": request.POST.get("rating", str(feedback.rating) if feedback else ""),
        "comment": request.POST.get("comment", feedback.comment if feedback else ""),
        "is_given": feedback is not None,
        "mistakes": problems,
        "news": _RESULT_TEXTS.get(request.GET.get("done", "")),
    }
    status = 400 if problems else 200
    return render(request, "registrations/feedback_form.html", context, status=status)


def _registration(pk: UUID) -> Registration | None:
    """The registration of an active account; guests cannot give feedback."""
    return (
        Registration.objects.opened_by_link()
        .select_related("event", "user")
        .filter(pk=pk, user__is_active=True)
        .first()
    )


def _save_feedback(
    request: HttpRequest, event: Event, author: User, feedback: Feedback | None
) -> str:
    """Saves the form and returns a key of `_RESULT_TEXTS`. Raises `DomainError`."""
    data = read_form(FeedbackIn, request.POST)
    if feedback is not None:
        services.edit_feedback(feedback, data)
        return "changed"
    services.give_feedback(event, author=author, has_mailed_link=True, **data)
    return "given"


def _closed_reason(event: Event, author: User, feedback: Feedback | None) -> str:
    """Why the form is closed; empty if it is open."""
    if feedback is not None:
        return "Staff have hidden your feedback." if feedback.hidden_at else ""
    try:
        services.check_feedback_open(event, author, has_mailed_link=True)
    except DomainError as refusal:
        return refusal.message
    return ""
