"""Pages for people: that of an event, those of links in e-mails, and the check-in page."""

from django.urls import path

import config.api.http.path_converters  # noqa: F401  # registers <id:…>

from .confirming import confirmation_page
from .door import door_list, door_page, door_print, door_scans, door_worker
from .event import event_names, event_page, event_redirect
from .feedback import feedback_page
from .managing import registration_page

urlpatterns = [
    path("e/<id:pk>", event_redirect, name="event-page-short"),
    path("e/<id:pk>/", event_redirect),
    path("e/<id:pk>-<str:slug>", event_page, name="event-page"),
    path("e/<id:pk>-<str:slug>/", event_page),
    path("e/<id:pk>-<str:slug>/people", event_names, name="event-names"),
    path("registrations/confirm/", confirmation_page, name="confirm-registration"),
    path("registrations/<uuid:pk>/", registration_page, name="manage-registration"),
    path("registrations/<uuid:pk>/feedback/", feedback_page, name="feedback-page"),
    path("door/worker.js", door_worker, name="door-worker"),
    path("door/<slug:token>", door_page, name="door"),
    path("door/<slug:token>/", door_page),
    path("door/<slug:token>/list", door_list, name="door-page-list"),
    path("door/<slug:token>/scans", door_scans, name="door-page-scans"),
    path("door/<slug:token>/print", door_print, name="door-print"),
]
