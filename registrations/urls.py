"""URLs of this app. Some begin with `events/`: packages follow imports, not paths."""

from django.urls import path

from . import views

urlpatterns = [
    path("events/<id:pk>/register/", views.RegisterView.as_view(), name="register"),
    path("events/<id:pk>/attendees/", views.AttendeeListView.as_view(), name="attendee-list"),
    path(
        "events/<id:pk>/attendees/export/",
        views.AttendeeExportView.as_view(),
        name="attendee-export",
    ),
    path(
        "events/<id:pk>/attendees/import/",
        views.AttendeeImportView.as_view(),
        name="attendee-import",
    ),
    path("events/<id:pk>/form/", views.EventFormView.as_view(), name="event-form"),
    path(
        "events/<id:pk>/form/schema/",
        views.EventAnswersSchemaView.as_view(),
        name="event-form-schema",
    ),
    path(
        "events/<id:pk>/form/summary/", views.FormSummaryView.as_view(), name="event-form-summary"
    ),
    path("series/<id:pk>/form/", views.SeriesFormView.as_view(), name="series-form"),
    path(
        "series/<id:pk>/form/schema/",
        views.SeriesAnswersSchemaView.as_view(),
        name="series-form-schema",
    ),
    path("events/<id:pk>/attendees/decide/", views.DecideView.as_view(), name="decide"),
    path("events/<id:pk>/codes/", views.CodeListView.as_view(), name="code-list"),
    path("events/<id:pk>/codes/<id:code_pk>/", views.CodeView.as_view(), name="code"),
    path("events/<id:pk>/ledger/", views.LedgerView.as_view(), name="ledger"),
    path("events/<id:pk>/check-in/", views.CheckInView.as_view(), name="check-in"),
    path("events/<id:pk>/check-in/undo/", views.CheckInUndoView.as_view(), name="check-in-undo"),
    path("events/<id:pk>/check-ins/bulk/", views.BulkCheckInView.as_view(), name="check-in-bulk"),
    path("events/<id:pk>/door-list/", views.DoorListView.as_view(), name="door-list"),
    path("events/<id:pk>/door-links/", views.DoorLinkListView.as_view(), name="door-link-list"),
    path(
        "events/<id:pk>/door-links/<id:link_id>/",
        views.DoorLinkView.as_view(),
        name="door-link",
    ),
    path("events/<id:pk>/statistics/", views.EventStatisticsView.as_view(), name="statistics"),
    path("events/<id:pk>/feedback/", views.FeedbackListView.as_view(), name="feedback-list"),
    path("events/<id:pk>/messages/", views.MessageListView.as_view(), name="message-list"),
    path("messages/<id:pk>/", views.MessageView.as_view(), name="message"),
    path("feedback/<id:pk>/", views.FeedbackView.as_view(), name="feedback"),
    path(
        "registrations/confirm/",
        views.ConfirmRegistrationView.as_view(),
        name="registration-confirmation",
    ),
    path("registrations/<uuid:pk>/approve/", views.ApproveView.as_view(), name="approve"),
    path("registrations/<uuid:pk>/reject/", views.RejectView.as_view(), name="reject"),
    path("registrations/<uuid:pk>/reopen/", views.ReopenView.as_view(), name="reopen"),
    path("registrations/<uuid:pk>/", views.RegistrationView.as_view(), name="registration"),
    path("registrations/<uuid:pk>/resend/", views.ResendView.as_view(), name="resend"),
    path("registrations/<uuid:pk>/ticket.svg", views.TicketSvgView.as_view(), name="ticket-svg"),
    path("registrations/<uuid:pk>/ticket.png", views.TicketPngView.as_view(), name="ticket-png"),
    path("changes/", views.ChangesView.as_view(), name="changes"),
    path("webhooks/", views.WebhookListView.as_view(), name="webhook-list"),
    path("webhooks/<id:pk>/", views.WebhookView.as_view(), name="webhook"),
    path("webhooks/<id:pk>/rotate/", views.WebhookRotationView.as_view(), name="webhook-rotate"),
    path("webhooks/<id:pk>/test/", views.WebhookTestView.as_view(), name="webhook-test"),
    path("webhooks/<id:pk>/replay/", views.ReplayView.as_view(), name="webhook-replay"),
    path(
        "webhooks/<id:pk>/deliveries/",
        views.DeliveryListView.as_view(),
        name="webhook-deliveries",
    ),
    path(
        "webhooks/<id:pk>/deliveries/<id:delivery_id>/redeliver/",
        views.RedeliveryView.as_view(),
        name="webhook-redeliver",
    ),
    path("me/", views.ProfileView.as_view(), name="profile"),
    path("me/export/", views.ExportView.as_view(), name="my-data"),
    path("me/calendar.ics", views.OwnCalendarView.as_view(), name="own-calendar"),
    path("me/calendar/reset/", views.CalendarResetView.as_view(), name="calendar-reset"),
    path("me/statistics/", views.OwnStatisticsView.as_view(), name="own-statistics"),
    path("me/registrations/", views.OwnRegistrationListView.as_view(), name="own-registrations"),
    path("users/<id:pk>/", views.UserView.as_view(), name="user"),
]
