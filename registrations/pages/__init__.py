"""Pages for attendees: that of an event, and those that their e-mails link to."""

from django.urls import path

from .event import event_page, event_redirect
from .feedback import feedback_page
from .managing import registration_page

urlpatterns = [
    path("e/<id:pk>", event_redirect, name="event-page-short"),
    path("e/<id:pk>/", event_redirect),
    path("e/<id:pk>-<str:slug>", event_page, name="event-page"),
    path("e/<id:pk>-<str:slug>/", event_page),
    path("registrations/<uuid:pk>/", registration_page, name="manage-registration"),
    path("registrations/<uuid:pk>/feedback/", feedback_page, name="feedback-page"),
]
