"""Settings, read from the environment, with defaults that run on a laptop."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, reset_tzpath

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from whitenoise.compress import Compressor

from config import env, error_reports, openapi_settings, rate_limits
from config.database.options import direct, pooled, replica_of, with_options
from config.devserver import embedded_postgres
from config.job_logs import with_job_id
from config.logs import logging_config
from config.secret_keys import checked_key, token_key

# Time zones are those of the pinned package tzdata, not of this machine or of PYTHONTZPATH. A
# wall-clock time must be the same instant on every host.
reset_tzpath(())
ZoneInfo.clear_cache()

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_file(BASE_DIR / ".env")

DEBUG = env.boolean("DEBUG", default=False)
PORT = env.integer("PORT", 8000, minimum=1)
PUBLIC_URL = env.web_address("PUBLIC_URL", f"http://localhost:{PORT}")
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS", [PUBLIC_URL])
EMBED_ORIGINS = env.origins("EMBED_ORIGINS", [])
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS", [])
PUBLIC_PAGES = env.boolean("PUBLIC_PAGES", default=True)
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0, maximum=10)
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

# --- The web server (config.server) ---------------------------------------------------------------

HOST = env.text("HOST", "127.0.0.1")
WEB_CONCURRENCY = env.integer("WEB_CONCURRENCY", 2, minimum=1, maximum=1024)
WEB_THREADS = env.integer("WEB_THREADS", 4, minimum=1, maximum=1024)
WEB_CONNECTIONS = env.integer("WEB_CONNECTIONS", 4000, minimum=10)
LIVE_MAX_VIEWERS = env.integer("LIVE_MAX_VIEWERS", 1000, minimum=1, maximum=60000)
HEAD_SECONDS = env.integer("HEAD_SECONDS", 20, minimum=1, maximum=600)
# Longer than the usual idle time of a proxy, so that the proxy closes idle connections.
IDLE_SECONDS = env.integer("IDLE_SECONDS", 150, minimum=1, maximum=3600)
BODY_SECONDS = env.integer("BODY_SECONDS", 900, minimum=1, maximum=36000)
BODY_BYTES_PER_SECOND = env.integer("BODY_BYTES_PER_SECOND", 1000, minimum=1, maximum=10**9 - 1)

# --- Django -------------------------------------------------------------------------------------

APPEND_SLASH = False  # the API serves both forms without a redirect
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "accounts.apps.AdminConfig",
    "accounts",  # before django.contrib.auth, for its createsuperuser
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "config.operations",  # before staticfiles, for its collectstatic
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "csp",
    "config.api",  # before procrastinate, for its worker
    "config.api.apps.BackgroundJobsConfig",
    "events",
    "registrations",
]

MIDDLEWARE = [
    "config.middleware.RequestIdMiddleware",
    "config.middleware.ProbeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.static_files.StaticFilesMiddleware",
    "config.middleware.ApiMiddleware",
    "config.middleware.PageLayers",
    "config.middleware.PageCsrf",
]

if CORS_ALLOWED_ORIGINS:  # without origins no response has a CORS header
    MIDDLEWARE.insert(
        MIDDLEWARE.index("config.middleware.ApiMiddleware"),
        "corsheaders.middleware.CorsMiddleware",
    )

METRICS_NETWORKS = env.networks("METRICS_NETWORKS", ["127.0.0.0/8", "::1/128"])
ACCESS_LOG = env.boolean("ACCESS_LOG", default=False)
if METRICS_NETWORKS or ACCESS_LOG or env.text("OTEL_EXPORTER_OTLP_ENDPOINT"):
    MIDDLEWARE.insert(0, "config.metrics.MetricsMiddleware")

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "config.api.site.site_facts",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database -----------------------------------------------------------------------------------

DATA_DIR = Path(env.text("DATA_DIR") or BASE_DIR / ".data")
EMBEDDED_POSTGRES_ROOT = DATA_DIR / "postgres"
USES_EMBEDDED_POSTGRES = not env.text("DATABASE_URL")

if USES_EMBEDDED_POSTGRES:
    _server = embedded_postgres.locate(EMBEDDED_POSTGRES_ROOT)
    _database: dict[str, Any] = {
        "ENGINE": "config.devserver.backend",
        "NAME": "postgres",
        "USER": _server.user,
        "HOST": str(_server.socket_dir),
        "PORT": "5432",  # explicit, since PGPORT in the environment would win otherwise
    }
else:
    _database = env.database("DATABASE_URL")

_has_pooler = bool(env.text("DATABASE_DIRECT_URL"))
if _has_pooler and USES_EMBEDDED_POSTGRES:
    raise ImproperlyConfigured("DATABASE_URL must be set when DATABASE_DIRECT_URL is set.")
_prepares = env.boolean("PREPARED_STATEMENTS", default=not _has_pooler)
# Web connects by it. DATABASES then has the direct address, for all other processes.
POOLED_DATABASE = pooled(_database, prepares=_prepares) if _has_pooler else None
if _has_pooler:
    DATABASES = {"default": direct(env.database("DATABASE_DIRECT_URL"))}
else:
    DATABASES = {"default": with_options(_database, prepares=_prepares)}
if env.text("DATABASE_REPLICA_URL"):
    DATABASES["replica"] = replica_of(env.database("DATABASE_REPLICA_URL"), prepares=_prepares)
DATABASE_ROUTERS = ["config.api.sql.replica.ReplicaRouter"]

CACHES = {"default": env.cache("CACHE_URL", "locmemcache://events")}
# All processes share the counts of rate limits: in Redis, else in an unlogged table.
COUNTS_IN_CACHE = CACHES["default"]["BACKEND"].endswith(".RedisCache")

# --- Secrets ------------------------------------------------------------------------------------


def _secret_key() -> str:
    key = env.text("SECRET_KEY")
    if key:
        return checked_key("SECRET_KEY", key)
    if not USES_EMBEDDED_POSTGRES and not DEBUG:
        raise ImproperlyConfigured("SECRET_KEY must be set when DATABASE_URL is set.")
    return env.stored_secret(DATA_DIR / "secret_key")


SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = [
    checked_key("SECRET_KEY_FALLBACKS", key) for key in env.names("SECRET_KEY_FALLBACKS", [])
]
TOKEN_FALLBACK_KEYS = [token_key(key) for key in SECRET_KEY_FALLBACKS]

# --- Users --------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.EmailOrUsernameBackend"]
PASSWORD_HASHERS = [
    "accounts.hashers.BoundedArgon2PasswordHasher",
    "accounts.hashers.LegacyBcryptHasher",
    "accounts.hashers.BoundedBCryptSHA256PasswordHasher",
    "accounts.hashers.BoundedPBKDF2PasswordHasher",
]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator",
     "OPTIONS": {"user_attributes": ("username", "email")}},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
]  # fmt: skip
# Lifetimes of the links in mails, and the time in which a former address can be recovered.
CONFIRMATION_LINK_LIFETIME = timedelta(
    hours=env.integer("CONFIRMATION_LINK_HOURS", 72, minimum=1, maximum=8760)
)
RESET_LINK_LIFETIME = timedelta(
    minutes=env.integer("RESET_LINK_MINUTES", 60, minimum=5, maximum=1440)
)
FORMER_ADDRESS_LIFETIME = timedelta(
    days=env.integer("FORMER_ADDRESS_DAYS", 7, minimum=1, maximum=90)
)
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.integer("ACCESS_TOKEN_MINUTES", 30, minimum=1)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.integer("REFRESH_TOKEN_DAYS", 30, minimum=1)),
    "SIGNING_KEY": token_key(SECRET_KEY),
    "AUTH_TOKEN_CLASSES": ["accounts.signed_tokens.AccessToken"],
    "USER_ID_CLAIM": "sub",
    "AUTH_HEADER_TYPES": ("Bearer", "bearer", "BEARER"),  # RFC 9110: without regard to case
}

# --- The API ------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": [
        "config.api.http.negotiation.StrictJSONParser",
        "config.api.http.negotiation.JSONAwareFormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["config.api.http.negotiation.FastJSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.api.http.negotiation.ApiNegotiation",
    "DEFAULT_THROTTLE_CLASSES": ["config.api.http.throttling.ScopedLimit"],
    "DEFAULT_SCHEMA_CLASS": "config.api.openapi.schema.ApiSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "config.api.http.exception_handler.handle_exception",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNICODE_JSON": True,
}
RATE_LIMITS = env.rates("RATE_LIMITS", rate_limits.DEFAULTS)
# Wrong passwords for one account from one address before further attempts are delayed.
SIGN_IN_FAILURES = env.integer("SIGN_IN_FAILURES", 10, minimum=1, maximum=1000)
DATA_UPLOAD_MAX_MEMORY_SIZE = (
    1024 * 1024 * env.integer("MAX_BODY_MEGABYTES", 2, minimum=1, maximum=100)
)
MAX_BULK_BODY_BYTES = (
    1024 * 1024 * env.integer("MAX_BULK_BODY_MEGABYTES", 4, minimum=1, maximum=1000)
)
MAX_FILE_BYTES = 1024 * 1024 * env.integer("MAX_FILE_MEGABYTES", 5, minimum=1, maximum=100)
SPECTACULAR_SETTINGS = openapi_settings.SETTINGS

# --- Time, language, files ----------------------------------------------------------------------

TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = "config.formats"
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
STATIC_ROOT = DATA_DIR / "static"
MEDIA_ROOT = DATA_DIR / "media"
MEDIA_URL = env.web_address("MEDIA_URL", f"{PUBLIC_URL}/media") + "/"
STORAGES = {
    "default": env.storage("MEDIA_STORAGE", "django.core.files.storage.FileSystemStorage"),
    "staticfiles": {"BACKEND": "config.static_files.HashedStaticFiles"},
}
# The host of images if it is another one, such as an object store.
MEDIA_ORIGINS = env.origins_of(MEDIA_URL) if not MEDIA_URL.startswith(f"{PUBLIC_URL}/") else []
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
# Source maps are for developers' browsers, and take half of the time of compressing all files.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
WHITENOISE_USE_FINDERS = True  # under plain names, also without collectstatic

# --- E-mail -------------------------------------------------------------------------------------

_email = env.email("EMAIL_URL", "consolemail://")
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST = _email["EMAIL_HOST"] or "localhost"
EMAIL_PORT = _email["EMAIL_PORT"] or 25
EMAIL_HOST_USER = _email["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = _email["EMAIL_FILE_PATH"] or None
# For one reply of the mail server. It may reply late to a mail that it has accepted, and a
# connection that is closed before the reply sends the mail twice (RFC 5321, section 4.5.3.2).
EMAIL_TIMEOUT = env.integer("EMAIL_TIMEOUT_SECONDS", 60, minimum=1, maximum=120)
# Whether the mail server takes addresses with letters beyond ASCII before the @ (RFC 6531).
SMTPUTF8 = env.boolean("SMTPUTF8", default=False)
DEFAULT_FROM_EMAIL = env.sender("DEFAULT_FROM_EMAIL", "Events <events@localhost>")
# Guests of every event confirm their address before they get a seat.
GUEST_CONFIRMATION = env.boolean("GUEST_CONFIRMATION", default=False)
# What webhooks may reach beside https and port 443 of public addresses.
WEBHOOK_NETWORKS = env.networks("WEBHOOK_NETWORKS", [])
CHANGES_DAYS = env.integer("CHANGES_DAYS", 90, minimum=1, maximum=36500)
NOTIFICATION_DAYS = env.integer("NOTIFICATION_DAYS", 90, minimum=1, maximum=36500)
FEEDBACK_INVITE_HOURS = env.integer("FEEDBACK_INVITE_HOURS", 24, minimum=0, maximum=24 * 30)

# --- Security -----------------------------------------------------------------------------------

_HTTPS = PUBLIC_URL.startswith("https://")
SECURE_SSL_REDIRECT = _HTTPS and env.boolean("SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)/?$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_HSTS_PRELOAD = _HTTPS
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# These checks look for middlewares that are in config.middleware.PageLayers.
SILENCED_SYSTEM_CHECKS = [
    "admin.E408", "admin.E409", "admin.E410", "security.W002", "security.W003",
]  # fmt: skip
CORS_URLS_REGEX = r"^/api(/.*)?$"
CORS_EXPOSE_HEADERS = [
    "ETag", "Location", "Retry-After", "X-Request-ID", "Idempotent-Replayed", "Preference-Applied",
]  # fmt: skip
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match",
    "prefer", "time-zone", "x-request-id",
]  # fmt: skip
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", *MEDIA_ORIGINS],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- Background jobs -----------------------------------------------------------------------------

PROCRASTINATE_WORKER_DEFAULTS = {"worker_middleware": [with_job_id]}

# --- Logs and metrics ---------------------------------------------------------------------------

# The name of the deployed code in metrics and error reports, such as a commit.
RELEASE = env.text("RELEASE")
LIVENESS_PATH = env.text("LIVENESS_PATH")
SENTRY_DSN = env.text("SENTRY_DSN")
if SENTRY_DSN:
    error_reports.start(SENTRY_DSN, RELEASE)
OTEL_EXPORTER_OTLP_ENDPOINT = env.text("OTEL_EXPORTER_OTLP_ENDPOINT")
LOGGING_CONFIG = "config.logs.configure"
LOGGING = logging_config(env.choice("LOG_FORMAT", "console", {"console", "json"}))
