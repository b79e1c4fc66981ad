from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and how we reach them."""

    name = "accounts"
