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
    path("users/", views.UserListView.as_view(), name="user-list"),
]
