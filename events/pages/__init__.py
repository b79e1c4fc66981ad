"""Pages about events: the public list, the sitemap, and the invitation to a team."""

from django.urls import path

from .invitation import invitation
from .listing import event_list
from .sitemap import sitemap

urlpatterns = [
    path("", event_list, name="start"),
    path("sitemap.xml", sitemap, name="sitemap"),
    path("invitation/", invitation, name="invitation"),
]
