"""Pages that attendees open from an e-mail."""

from django.urls import path

from .feedback import say_how_it_was
from .managing import manage_registration

urlpatterns = [
    path("registrations/<uuid:pk>/", manage_registration, name="manage-registration"),
    path("registrations/<uuid:pk>/feedback/", say_how_it_was, name="say-how-it-was"),
]
