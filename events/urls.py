from django.urls import path

from . import views

urlpatterns = [
    path("events/", views.EventListView.as_view(), name="event-list"),
    path("events/bulk/", views.EventBulkView.as_view(), name="event-bulk"),
    path("events/import/", views.EventImportView.as_view(), name="event-import"),
    path("events/facets/", views.FacetsView.as_view(), name="event-facets"),
    path("events/suggest/", views.SuggestionsView.as_view(), name="event-suggestions"),
    path("events/<id:pk>/", views.EventView.as_view(), name="event"),
    path("events/<id:pk>/publish/", views.PublishView.as_view(), name="event-publish"),
    path("events/<id:pk>/cancel/", views.CancelView.as_view(), name="event-cancel"),
    path("events/<id:pk>/duplicate/", views.DuplicateView.as_view(), name="event-duplicate"),
    path("events/<id:pk>/key/reset/", views.EventKeyResetView.as_view(), name="event-key-reset"),
    path("events/<id:pk>/image/", views.EventImageView.as_view(), name="event-image"),
    path("events/<id:pk>/calendar.ics", views.EventCalendarView.as_view(), name="event-calendar"),
    path("events/calendar.ics", views.EventFeedView.as_view(), name="event-feed"),
    path("series/", views.SeriesListView.as_view(), name="series-list"),
    path("series/<id:pk>/", views.SeriesView.as_view(), name="series"),
    path("series/<id:pk>/publish/", views.SeriesPublishView.as_view(), name="series-publish"),
    path("events/<id:pk>/stream/", views.SeatStreamView.as_view(), name="seat-stream"),
    path("categories/", views.CategoryListView.as_view(), name="category-list"),
    path("categories/<slug:slug>/", views.CategoryView.as_view(), name="category"),
    path("me/events/", views.OwnEventListView.as_view(), name="own-event-list"),
    path("events/<id:pk>/team/", views.EventTeamView.as_view(), name="event-team"),
    path(
        "events/<id:pk>/team/<id:member_id>/", views.EventMemberView.as_view(), name="event-member"
    ),
    path("events/<id:pk>/transfer/", views.EventTransferView.as_view(), name="event-transfer"),
    path("series/<id:pk>/team/", views.SeriesTeamView.as_view(), name="series-team"),
    path(
        "series/<id:pk>/team/<id:member_id>/",
        views.SeriesMemberView.as_view(),
        name="series-member",
    ),
    path("series/<id:pk>/transfer/", views.SeriesTransferView.as_view(), name="series-transfer"),
    path("me/invitations/", views.InvitationListView.as_view(), name="invitation-list"),
    path(
        "me/invitations/<id:pk>/accept/",
        views.InvitationAcceptView.as_view(),
        name="invitation-accept",
    ),
    path(
        "me/invitations/<id:pk>/decline/",
        views.InvitationDeclineView.as_view(),
        name="invitation-decline",
    ),
    path("me/keys/", views.KeyListView.as_view(), name="key-list"),
    path("me/keys/<id:pk>/", views.KeyView.as_view(), name="key"),
    path("me/keys/<id:pk>/rotate/", views.KeyRotationView.as_view(), name="key-rotation"),
    path("key/", views.CurrentKeyView.as_view(), name="current-key"),
    path("keys/revoke/", views.KeyRevocationView.as_view(), name="key-revocation"),
]
