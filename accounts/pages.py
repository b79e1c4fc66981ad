"""The pages behind the links in e-mails about an account."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse

from config.api.http.rate_limits import check_limit
from config.api.http.throttling import client_address, client_network
from config.api.pages import mail_page, read_form, sentences, token_of
from config.errors import FieldError, ValidationFailed

from . import services
from .errors import InvalidOrExpiredLink
from .links import recovers
from .notifications.unsubscribing import change_subscription, is_subscribed, subscription_of
from .serializers import EmailConfirmIn, PasswordResetConfirmIn, PasswordResetIn


@mail_page
def confirm_address(request: HttpRequest) -> HttpResponse:
    """Asks for the account's password, or for a new one if another person signed up."""
    if "done" in request.GET:
        return render(request, "accounts/address_confirmed.html", {"done": request.GET["done"]})
    token, mistakes = token_of(request), list[str]()
    try:
        if request.method == "POST":
            try:
                done = _confirm(request, token)
            except ValidationFailed as refusal:
                mistakes = sentences(refusal)
            else:
                query = f"done={done}" if done else "done"
                return HttpResponseRedirect(f"{reverse('confirm-address')}?{query}")
        user = services.user_to_confirm(token)
    except InvalidOrExpiredLink:
        return render(request, "accounts/address_not_confirmed.html", status=400)
    context = {
        "user": user,
        "token": token,
        "mistakes": mistakes,
        "is_new_wrong": bool(mistakes) and "new" in request.POST,
    }
    status = 400 if mistakes else 200
    return render(request, "accounts/confirm_address.html", context, status=status)


def _confirm(request: HttpRequest, token: str) -> str:
    """Confirm the address by the form. Returns the `done` of `address_confirmed.html`.

    Raises `InvalidOrExpiredLink`, `ValidationFailed`.
    """
    address = client_address(request)
    if "new" in request.POST:
        agent = request.headers.get("User-Agent", "")
        fields = _new_password(request, token)
        services.confirm_with_new_password(**fields, user_agent=agent, address=address)
        return "password"
    fields = {"token": token}
    if "password" in request.POST:
        fields["password"] = request.POST["password"]
    network = client_network(request)
    services.confirm_address(**read_form(EmailConfirmIn, fields), address=address, network=network)
    return "" if "password" in fields else "signed-out"


@mail_page
def forgotten_password(request: HttpRequest) -> HttpResponse:
    """The form that requests a reset link. Pages of expired links lead here."""
    if "done" in request.GET:
        return render(request, "accounts/reset_mailed.html")
    mistakes: list[str] = []
    if request.method == "POST":
        try:
            fields = read_form(PasswordResetIn, {"email": request.POST.get("email", "").strip()})
        except ValidationFailed as refusal:
            mistakes = sentences(refusal)
        else:
            check_limit("password_reset", client_network(request))
            services.request_password_reset(**fields)
            return HttpResponseRedirect(reverse("forgotten-password") + "?done")
    context = {"mistakes": mistakes, "email": request.POST.get("email", "")}
    status = 400 if mistakes else 200
    return render(request, "accounts/forgotten_password.html", context, status=status)


@mail_page
def reset_password(request: HttpRequest) -> HttpResponse:
    if "done" in request.GET:
        return render(request, "accounts/password_set.html")
    token, mistakes = token_of(request), list[str]()
    try:
        if request.method == "POST":
            try:
                _set_password(request, token)
            except ValidationFailed as refusal:
                mistakes = sentences(refusal)
            else:
                return HttpResponseRedirect(reverse("reset-password") + "?done")
        user = services.user_to_reset(token)
    except InvalidOrExpiredLink:
        return render(request, "accounts/password_not_set.html", status=400)
    context = {
        "user": user,
        "token": token,
        "mistakes": mistakes,
        "returns_to": recovers(token, user),
    }
    return render(request, "accounts/reset_password.html", context, status=400 if mistakes else 200)


def _set_password(request: HttpRequest, token: str) -> None:
    """Raises `InvalidOrExpiredLink`, `ValidationFailed`."""
    fields = _new_password(request, token)
    agent = request.headers.get("User-Agent", "")
    services.reset_password(**fields, user_agent=agent, address=client_address(request))


def _new_password(request: HttpRequest, token: str) -> dict[str, str]:
    """`token` and `password` of a form that has the password twice.

    Raises `ValidationFailed`.
    """
    password = request.POST.get("password", "")
    if password != request.POST.get("again"):
        raise ValidationFailed(FieldError("again", "invalid", "The two passwords differ."))
    return read_form(PasswordResetConfirmIn, {"token": token, "password": password})


@mail_page
def unsubscribe(request: HttpRequest) -> HttpResponse:
    """The target of the link and of the form. A mail client posts to the link (RFC 8058)."""
    token = token_of(request) or request.GET.get("token", "")
    subscription = subscription_of(token)
    if subscription is None:
        return render(request, "accounts/not_unsubscribed.html", status=400)
    if request.method == "POST":
        is_on = change_subscription(subscription, is_on="again" in request.POST)
        page = "subscribed" if is_on else "unsubscribed"
    else:
        page = "unsubscribe" if is_subscribed(subscription) else "unsubscribed"
    return render(request, f"accounts/{page}.html", {"kind": subscription.kind, "token": token})


urlpatterns = [
    path("confirm-address/", confirm_address, name="confirm-address"),
    path("forgotten-password/", forgotten_password, name="forgotten-password"),
    path("reset-password/", reset_password, name="reset-password"),
    path("unsubscribe/", unsubscribe, name="unsubscribe"),
]
