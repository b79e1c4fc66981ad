"""Pages about events: the public list, the sitemap, and the invitation to a team."""

from django.urls import path

from .embedding import embedded_event, embedded_list
from .images import image_file
from .invitation import invitation
from .listing import event_list
from .sitemap import sitemap

urlpatterns = [
    path("", event_list, name="start"),
    path("sitemap.xml", sitemap, name="sitemap"),
    path("embed/e/<id:pk>", embedded_event, name="embedded-event"),
    path("embed/e/<id:pk>/", embedded_event),
    path("embed/events", embedded_list, name="embedded-list"),
    path("embed/events/", embedded_list),
    path("media/events/<str:name>", image_file, name="image-file"),
    path("invitation/", invitation, name="invitation"),
]
