"""Readers of environment variables. Each raises `ImproperlyConfigured` with the variable's name."""

import json
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from config.api.text.email_addresses import InvalidAddress, ascii_host

T = TypeVar("T")

_reader = environ.Env()

RATE_PERIODS = {"s": 1, "sec": 1, "min": 60, "m": 60, "hour": 3600, "h": 3600, "day": 86400}


def load_file(path: Path) -> None:
    """Read a `.env` file if there is one. Variables that are set already win."""
    if path.is_file():
        environ.Env.read_env(str(path))


def text(name: str, default: str = "") -> str:
    """The value without spaces around it, or the default where it is missing or empty."""
    return _text_as_it_is(name).strip() or default


def _text_as_it_is(name: str) -> str:
    """`NAME_FILE` names a file with the value, as secrets of containers are mounted.

    The line breaks at the end of the file do not belong to the value.
    """
    value = os.environ.get(name, "")
    path = os.environ.get(f"{name}_FILE", "").strip()
    if not path:
        return value
    if value.strip():
        raise ImproperlyConfigured(f"{name} must be unset where {name}_FILE is set.")
    try:
        return Path(path).read_text().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE must name a readable file ({error}).") from error


def boolean(name: str, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be on or off, not {value!r}.")


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 65535) -> int:
    value = text(name)
    if not value:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value) or not minimum <= int(value) <= maximum:
        raise ImproperlyConfigured(
            f"{name} must be a whole number from {minimum} to {maximum}, not {value!r}."
        )
    return int(value)


def names(name: str, default: list[str]) -> list[str]:
    """A comma separated list."""
    value = text(name)
    return [part.strip() for part in value.split(",") if part.strip()] if value else default


def choice(name: str, default: str, allowed: set[str]) -> str:
    value = text(name) or default
    if value not in allowed:
        raise ImproperlyConfigured(
            f"{name} must be one of {', '.join(sorted(allowed))}, not {value!r}."
        )
    return value


def networks(name: str, default: list[str]) -> list[IPv4Network | IPv6Network]:
    """Address ranges such as 10.0.0.0/8. `off` is an empty list."""
    values = names(name, default)
    if values == ["off"]:
        return []
    try:
        return [ip_network(value) for value in values]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must look like 10.0.0.0/8,::1/128 or off.") from error


def hosts(name: str, default: list[str]) -> list[str]:
    """Host names without scheme, port or path. `.example.org` includes its subdomains."""
    values = names(name, default)
    for value in values:
        if not re.fullmatch(r"\*|\.?[\w.-]+|\[[0-9a-fA-F:.]+\]", value):
            raise ImproperlyConfigured(
                f"{name} must look like example.org,.example.net, not {value!r}."
            )
    return values


def origins(name: str, default: list[str]) -> list[str]:
    """Origins of pages: scheme, host and port."""
    values = names(name, [])
    for value in values:
        if not _is_web_address(value) or urlsplit(value).path:
            raise ImproperlyConfigured(f"{name} must look like https://example.org, not {value!r}.")
    return values or default


def origins_of(address: str) -> list[str]:
    """The origin of a web address, as a list for a Content-Security-Policy."""
    parts = urlsplit(address)
    return [f"{parts.scheme}://{parts.netloc}"]


def storage(name: str, default: str) -> dict[str, Any]:
    """A backend of Django's storages, with the JSON object in `<name>_OPTIONS` as its options."""
    backend, options = text(name, default), text(f"{name}_OPTIONS", "{}")
    if not re.fullmatch(r"[A-Za-z_][\w]*(\.[A-Za-z_]\w*)+", backend):
        raise ImproperlyConfigured(
            f"{name} must look like storages.backends.s3.S3Storage, not {backend!r}."
        )
    try:
        values = json.loads(options)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise ImproperlyConfigured(f"{name}_OPTIONS must be a JSON object.")
    return {"BACKEND": backend, "OPTIONS": values}


def web_address(name: str, default: str) -> str:
    """An http or https address without a slash at its end."""
    value = text(name, default).rstrip("/")
    if not _is_web_address(value):
        raise ImproperlyConfigured(f"{name} must look like https://example.org, not {value!r}.")
    return value


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:  # brackets around an invalid IPv6 address
        return False
    is_plain = not parts.query and not parts.fragment and not re.search(r"\s", value)
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and is_plain


def parsed(name: str, default: str, parse: Callable[[str], T], example: str) -> T:
    """A value that `parse` reads, such as the URL of a database. `example` is for the error."""
    value = text(name) or default
    try:
        return parse(value)
    except Exception as error:  # parsers raise various errors, all because of this variable
        raise ImproperlyConfigured(f"{name} must look like {example}.") from error


def database(name: str) -> dict[str, Any]:
    def parse(value: str) -> dict[str, Any]:
        # Checked first, since the parser prints an unknown URL with its password.
        if not value.startswith(("postgres://", "postgresql://")):
            raise ValueError("another engine")
        config = dict(_reader.db_url_config(value))
        if not config["NAME"]:
            raise ValueError("no database")
        # The directory of a socket is percent-encoded in a URL (PostgreSQL's manual, 32.1.1.2).
        config["HOST"] = unquote(config["HOST"])
        return config | {"ENGINE": "config.database"}

    config = parsed(name, "", parse, "postgresql://user:password@host:5432/database")
    # A password may begin or end with a space.
    config["PASSWORD"] = config["PASSWORD"] or _text_as_it_is("PGPASSWORD")
    return config


def email(name: str, default: str) -> dict[str, Any]:
    def parse(value: str) -> dict[str, Any]:
        config = dict(_reader.email_url_config(value))
        if value.startswith("filemail:"):
            if not value.startswith("filemail:///"):
                raise ValueError("no directory")
            config["EMAIL_FILE_PATH"] = "/" + config["EMAIL_FILE_PATH"]
            config["EMAIL_BACKEND"] = "accounts.notifications.backends.FileBackend"
        if config["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend":
            config["EMAIL_BACKEND"] = "accounts.notifications.backends.SmtpBackend"
        if value.startswith("consolemail:"):
            config["EMAIL_BACKEND"] = "accounts.notifications.backends.ConsoleBackend"
        return config

    return parsed(
        name, default, parse, "smtp+tls://user:password@host:587, filemail:///dir or consolemail://"
    )


def sender(name: str, default: str) -> str:
    """An e-mail address, with or without a name before it."""
    value = text(name, default)
    local, _, domain = parseaddr(value)[1].rpartition("@")
    try:
        is_valid = bool(local) and local.isascii() and bool(ascii_host(domain))
    except InvalidAddress:
        is_valid = False
    if not is_valid:
        raise ImproperlyConfigured(f"{name} must look like Events <events@example.org>.")
    return value


def cache(name: str, default: str) -> dict[str, Any]:
    def parse(value: str) -> dict[str, Any]:
        config = dict(_reader.cache_url_config(value))
        if value.startswith(("redis://", "rediss://")):
            config["BACKEND"] = "config.redis_cache.RedisCache"
        return config

    return parsed(name, default, parse, "redis://host:6379/0 or locmemcache://")


def stored_secret(path: Path) -> str:
    """A random secret, stored in the file `path`. Concurrent processes create it once."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=path.parent) as draft:  # created with mode 0600
                draft.write(secrets.token_urlsafe(50))
                draft.flush()
                with suppress(FileExistsError):
                    os.link(draft.name, path)
        return path.read_text()
    except OSError as error:
        raise ImproperlyConfigured(
            f"SECRET_KEY must be set where none can be kept ({error})."
        ) from error


def rates(name: str, defaults: dict[str, str]) -> dict[str, tuple[int, int] | None]:
    """Limits by scope as (requests, seconds); None where there is no limit.

    `off` lifts all of them; `login=5/min,register=30/min` changes those two.
    """
    value = text(name)
    if value.lower() == "off":
        return dict.fromkeys(defaults)
    selected = dict(defaults)
    for pair in names(name, []):
        scope, _, rate = pair.partition("=")
        if scope not in defaults:
            raise ImproperlyConfigured(
                f"{name} knows {', '.join(sorted(defaults))}, not {scope!r}."
            )
        selected[scope] = rate
    return {scope: _rate(name, rate) for scope, rate in selected.items()}


def _rate(name: str, rate: str) -> tuple[int, int] | None:
    if rate == "off":
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,6})/([a-z]+)", rate)
    if not match or match[2] not in RATE_PERIODS:
        raise ImproperlyConfigured(f"{name} must look like login=5/min,register=30/min or off.")
    return int(match[1]), RATE_PERIODS[match[2]]
