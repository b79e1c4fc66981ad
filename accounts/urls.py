from django.urls import path

from . import views

urlpatterns = [
    path("register/", views.SignUpView.as_view(), name="sign-up"),
    path("login/", views.SignInView.as_view(), name="sign-in"),
    path("token/refresh/", views.TokenRefreshView.as_view(), name="token-refresh"),
    path("logout/", views.SignOutView.as_view(), name="sign-out"),
    path("password/change/", views.PasswordChangeView.as_view(), name="password-change"),
    path("me/notifications/", views.NotificationListView.as_view(), name="notifications"),
    path("me/notifications/read/", views.NotificationReadView.as_view(), name="notifications-read"),
    path("password/reset/", views.PasswordResetView.as_view(), name="password-reset"),
    path(
        "password/reset/confirm/",
        views.PasswordResetConfirmView.as_view(),
        name="password-reset-confirm",
    ),
    path("email/verify/", views.EmailVerifyView.as_view(), name="email-verify"),
    path("email/verify/resend/", views.EmailVerifyResendView.as_view(), name="email-verify-resend"),
    path("me/sessions/", views.SessionListView.as_view(), name="sessions"),
    path("me/sessions/<uuid:pk>/", views.SessionView.as_view(), name="session"),
    path("users/", views.UserListView.as_view(), name="user-list"),
]
