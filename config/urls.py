"""The URL configuration. Each app has its own; all routes of the API are below /api/."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

import config.api.http.path_converters  # noqa: F401  # registers <id:…>
from config import directory, docs, ops, pages
from config.api.views import UnknownRouteView

urlpatterns = [
    # First, since each earlier pattern costs a comparison.
    path("api/", include("registrations.urls")),
    path("api/", include("events.urls")),
    path("api/", include("accounts.urls")),
    path("developers/", pages.developers, name="developers"),
    path("developers", pages.developers),
    path("developers/postman.json", docs.postman, name="postman"),
    path("problems/", pages.problem_list, name="problem-list"),
    path("problems", pages.problem_list),
    path("problems/<slug:slug>", pages.problem, name="problem"),
    path("problems/<slug:slug>/", pages.problem),
    path("", include("registrations.pages")),
    path("", include("accounts.pages")),
    path("", include("events.pages")),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    path("metrics", ops.metrics),
    path("metrics/", ops.metrics),
    path("api/schema/", docs.SchemaView.as_view(), name="schema"),
    path("api/docs/", docs.SwaggerView.as_view(), name="docs"),
    path("api/redoc/", docs.RedocView.as_view(), name="redoc"),
    path("api/", directory.DirectoryView.as_view(), name="directory"),
    re_path(r"^api/.*$", UnknownRouteView.as_view()),
]

handler400 = "config.middleware.bad_request"
handler404 = "config.middleware.page_not_found"
handler500 = "config.middleware.server_error"
