"""The admin site. Its sign-in has the rate limits of the API's."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from config.api.http.rate_limits import seconds_to_wait
from config.api.http.throttling import client_address, client_network
from config.errors import RateLimited, TemporarilyUnavailable

from . import previews
from .errors import InvalidCredentials
from .services import sign_in


class SignInForm(AdminAuthenticationForm):
    request: HttpRequest
    refusal: RateLimited | TemporarilyUnavailable | None = None

    def clean(self) -> dict[str, Any]:
        # Without super().clean(), which would check the password again.
        login, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if login and password:
            try:
                self.user_cache = self._signed_in(login, password)
            except InvalidCredentials:
                raise self.get_invalid_login_error() from None
            except (RateLimited, TemporarilyUnavailable) as error:
                self.refusal = error
                seconds = error.headers["Retry-After"]
                raise ValidationError(
                    f"Too many attempts. Seconds to wait: {seconds}.", error.code
                ) from None
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data

    def _signed_in(self, login: str, password: str) -> Any:
        network = client_network(self.request)
        if seconds := seconds_to_wait("login", network):
            raise RateLimited(retry_after=seconds)
        address = client_address(self.request)
        return sign_in(login=login, password=password, address=address, network=network)


class GuardedAdminSite(AdminSite):
    login_form = SignInForm

    def get_urls(self) -> list[Any]:
        return [*previews.urls_of(self), *super().get_urls()]

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response = super().login(request, extra_context)
        form = (getattr(response, "context_data", None) or {}).get("form")
        if isinstance(form, SignInForm) and form.refusal is not None:
            response.status_code = form.refusal.status
            response["Retry-After"] = form.refusal.headers["Retry-After"]
        return response
