from django.urls import include, path
from rest_framework.routers import SimpleRouter

from .views import AttendeeView, EventViewSet, RegisterView

router = SimpleRouter()
router.register("events", EventViewSet, basename="event")

urlpatterns = [
    path("events/<int:event_id>/register/", RegisterView.as_view()),
    path("events/<int:event_id>/attendees/", AttendeeView.as_view()),
    path("", include(router.urls)),
]
