"""Routes of sign-up, sign-in, passwords, addresses and the inbox."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.fields import ANY_TEXT, require_query_text
from config.api.http.strict_bodies import NoFields
from config.api.http.throttling import client_address, client_network
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination
from config.api.permissions import HasStaffRight
from config.api.views import ApiView, ListView
from config.errors import InvalidToken, PermissionDenied

from . import services, tokens
from .authentication import current_user
from .errors import InvalidCredentials, InvalidOrExpiredLink
from .models import User
from .notifications.inbox import inbox_of, mark_read, rendered_notifications
from .serializers import (
    EmailConfirmIn,
    MailedOut,
    NotificationOut,
    PasswordChangeIn,
    PasswordResetConfirmIn,
    PasswordResetIn,
    ReadIn,
    RefreshIn,
    SessionOut,
    SignedInOut,
    SignedUpOut,
    SignInIn,
    SignUpIn,
    TokensOut,
    UnreadOut,
    UserOut,
)


def _device(request: Request) -> dict[str, str]:
    return {
        "user_agent": request.headers.get("User-Agent", ""),
        "address": client_address(request),
    }


def _open_session(request: Request, user: User) -> tokens.TokenPair:
    return tokens.open_session(user, **_device(request))


class SignUpView(ApiView):
    tag = "sign in"
    authentication_classes = ()
    permission_classes = (AllowAny,)
    stores_responses = False
    throttle_scopes = {"POST": "signup"}

    @operation("Sign up", request=SignUpIn, responses={201: SignedUpOut})
    def post(self, request: Request) -> Response:
        """Create an account and sign it in."""
        user = services.sign_up(**self.valid(SignUpIn))
        body = {**UserOut(user).data, **_open_session(request, user)}
        location = request.build_absolute_uri(f"/api/users/{user.pk}/")
        return Response(body, status=201, headers={"Location": location})


class UserListView(ListView, SignUpView):
    """`POST` is sign-up under another URL. `GET` is for staff."""

    tag = "account"
    staff_permissions: ClassVar[dict[str, str]] = {"GET": "accounts.view_user"}
    sends_etag = False
    pagination_class = KeysetPagination
    query_parameters = {"GET": frozenset({"search"})}
    orderings = orderings(("date_joined", Ordering("date_joined")), ("email", Ordering("email")))

    def get_authenticators(self) -> list[Any]:
        is_sign_up = self.request is not None and self.request.method == "POST"
        return [] if is_sign_up else [auth() for auth in ListView.authentication_classes]

    def get_permissions(self) -> list[BasePermission]:
        return [AllowAny() if self.request.method == "POST" else HasStaffRight()]

    def default_ordering(self, request: Request) -> str:
        return "-date_joined"

    @operation(
        "List users",
        parameters=[
            OpenApiParameter(
                "search",
                {"type": "string", "pattern": ANY_TEXT},
                description="Part of a name or address.",
            )
        ],
        responses=UserOut(many=True),
        raises=[PermissionDenied],
    )
    def get(self, request: Request) -> Response:
        """For staff with `accounts.view_user`."""
        return self.page(self._matching(request.query_params.get("search", "")), UserOut)

    @operation("Create a user", request=SignUpIn, responses={201: SignedUpOut})
    def post(self, request: Request) -> Response:
        """The same as `POST /api/register/`."""
        return super().post(request)

    def _matching(self, text: str) -> QuerySet[User]:
        require_query_text("search", text)
        is_like = Q(email__icontains=text) | Q(username__contains_folded=text)
        return User.objects.existing().filter(is_like | Q(email=text))


class SignInView(ApiView):
    tag = "sign in"
    authentication_classes = ()
    permission_classes = (AllowAny,)
    stores_responses = False
    throttle_scopes = {"POST": "login"}

    @operation(
        "Sign in", request=SignInIn, responses={200: SignedInOut}, raises=[InvalidCredentials]
    )
    def post(self, request: Request) -> Response:
        """With the e-mail address or the user name."""
        user = services.sign_in(
            **self.valid(SignInIn),
            address=client_address(request),
            network=client_network(request),
        )
        return Response({**_open_session(request, user), "user": UserOut(user).data})


class TokenRefreshView(ApiView):
    tag = "sign in"
    authentication_classes = ()
    permission_classes = (AllowAny,)
    stores_responses = False

    @operation(
        "Refresh the tokens",
        request=RefreshIn,
        responses={200: TokensOut},
        raises=[InvalidToken],
    )
    def post(self, request: Request) -> Response:
        """A refresh token works once. Its use again later ends the session."""
        return Response(tokens.rotate(self.valid(RefreshIn)["refresh"]))


class SignOutView(ApiView):
    tag = "sign in"
    open_without_address = True

    @operation("Sign out", request=RefreshIn, responses={204: None})
    def post(self, request: Request) -> Response:
        """Ends the session of that refresh token."""
        tokens.close_session(current_user(request), self.valid(RefreshIn)["refresh"])
        return Response(status=204)


class PasswordChangeView(ApiView):
    open_without_address = True
    throttle_scopes = {"POST": "login"}  # it reveals whether a password is right

    @operation("Change the password", request=PasswordChangeIn, responses={204: None})
    def post(self, request: Request) -> Response:
        """Ends every session, this one too: sign in again.

        API keys stay valid unless `revoke_keys` is true. The e-mail names those that remain.
        """
        services.change_password(current_user(request), **self.valid(PasswordChangeIn))
        return Response(status=204)


class NotificationListView(ListView):
    """My inbox."""

    tag = "notifications"
    pagination_class = KeysetPagination
    orderings = {"unread": Ordering("due_at", descending=True, leading="is_unread")}

    def default_ordering(self, request: Request) -> str:
        return "unread"

    @operation("List my notifications", responses=NotificationOut(many=True))
    def get(self, request: Request) -> Response:
        """The unread first, of those the newest first."""
        rows = self.paginate_queryset(inbox_of(current_user(request))) or []
        context = self.get_serializer_context()
        page = NotificationOut(rendered_notifications(rows), many=True, context=context)
        return self.get_paginated_response(page.data)


class NotificationReadView(ApiView):
    tag = "notifications"

    @operation("Mark notifications as read", request=ReadIn, responses={200: UnreadOut})
    def post(self, request: Request) -> Response:
        """Ids that are not in my inbox are ignored."""
        unread = mark_read(current_user(request), **self.valid(ReadIn))
        return Response({"unread_count": unread})


class EmailVerifyView(ApiView):
    tag = "sign in"
    permission_classes = (AllowAny,)
    open_without_address = True
    throttle_scopes = {"POST": "login"}

    @property
    def stores_responses(self) -> bool:  # type: ignore[override]
        """False with a password: the transaction of a stored response would undo its count."""
        return not (isinstance(self.request.data, dict) and "password" in self.request.data)

    @operation(
        "Confirm an e-mail address",
        request=EmailConfirmIn,
        responses={200: UserOut},
        raises=[InvalidOrExpiredLink],
    )
    def post(self, request: Request) -> Response:
        """With the token of the e-mail, which works once.

        The first confirmation of an account ends its sessions, which may be a stranger's, unless
        it comes from one of them or with the account's `password`. Guests' registrations with the
        address then join the account. A change of address is confirmed by the signed-in owner or
        with the password.
        """
        user = services.confirm_address(
            **self.valid(EmailConfirmIn),
            by=request.user if request.user.is_authenticated else None,
            address=client_address(request),
            network=client_network(request),
        )
        return Response(UserOut(user).data)


class EmailVerifyResendView(ApiView):
    tag = "sign in"
    throttle_scopes = {"POST": "password_reset"}

    @operation("Resend the confirmation e-mail", request=None, responses={202: MailedOut})
    def post(self, request: Request) -> Response:
        """To the address that is to be confirmed, if there is one."""
        self.valid(NoFields)
        services.resend_confirmation(current_user(request))
        detail = "Unless your address is confirmed already, an e-mail is on its way."
        return Response({"detail": detail}, status=202)


class PasswordResetView(ApiView):
    tag = "sign in"
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_scopes = {"POST": "password_reset"}

    @operation("Request a password reset", request=PasswordResetIn, responses={202: MailedOut})
    def post(self, request: Request) -> Response:
        """Sends a link to the account of that address, if there is one.

        The response is the same without an account. A request within 15 minutes of an earlier
        e-mail sends no other one.
        """
        services.request_password_reset(**self.valid(PasswordResetIn))
        detail = "If an account has this address, an e-mail is on its way."
        return Response({"detail": detail}, status=202)


class PasswordResetConfirmView(ApiView):
    tag = "sign in"
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_scopes = {"POST": "login"}

    @operation(
        "Reset the password",
        request=PasswordResetConfirmIn,
        responses={204: None},
        raises=[InvalidOrExpiredLink],
    )
    def post(self, request: Request) -> Response:
        """With the token of the e-mail, which works once. Ends every session."""
        services.reset_password(**self.valid(PasswordResetConfirmIn), **_device(request))
        return Response(status=204)


class SessionListView(ListView):
    sends_etag = False
    pagination_class = KeysetPagination
    orderings = orderings(("last_used_at", Ordering("last_used_at")))

    def default_ordering(self, request: Request) -> str:
        return "-last_used_at"

    @operation("List my sessions", responses=SessionOut(many=True))
    def get(self, request: Request) -> Response:
        """The sessions that are still valid, the last used first."""
        return self.page(tokens.live_sessions_of(current_user(request)), SessionOut)


class SessionView(ApiView):
    open_without_address = True

    @operation("End a session", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Its tokens end at once. Ending the current session signs out."""
        tokens.end_session(self.get_row(tokens.live_sessions_of(current_user(request)), pk=pk))
        return Response(status=204)
