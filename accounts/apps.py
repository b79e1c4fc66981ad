from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class AccountsConfig(AppConfig):
    """People and how we reach them."""

    default = True

    name = "accounts"

    def ready(self) -> None:
        from .mails import ALL  # noqa: PLC0415  # needs the models loaded
        from .notifications import register_kind  # noqa: PLC0415

        for kind in ALL:
            register_kind(kind)


class AdminConfig(admin_apps.AdminConfig):
    """Django's admin, with a sign-in that is guarded."""

    default = False
    default_site = "accounts.site.GuardedAdminSite"
