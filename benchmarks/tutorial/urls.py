from django.urls import include, path
from rest_framework.routers import SimpleRouter

from .views import EventViewSet, RegisterView

router = SimpleRouter()
router.register("events", EventViewSet)

urlpatterns = [
    path("events/<int:event_id>/register/", RegisterView.as_view()),
    path("", include(router.urls)),
]
