"""Pages that attendees open from an e-mail."""

from django.urls import path

from .feedback import feedback_page
from .managing import registration_page

urlpatterns = [
    path("registrations/<uuid:pk>/", registration_page, name="manage-registration"),
    path("registrations/<uuid:pk>/feedback/", feedback_page, name="feedback-page"),
]
