"""The deployment: two web hosts behind nginx, PgBouncer, two PostgreSQL servers, Redis, e-mail."""

import configparser
import io
import json
import re
import secrets
import shutil
import subprocess
import sys
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

import psycopg

from config.tests.server import free_port

from .parts import Part, wait_until
from .postgres import Address, Postgres
from .receivers import HookReceiver, MailReceiver

PROJECT = Path(__file__).parents[2]
PASSWORD = "an organizer's long password"


class Deployment:
    def __init__(self, root: Path) -> None:
        root.chmod(0o755)
        logs = root / "logs"
        logs.mkdir()
        binaries = max(
            Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
        )
        self.primary, self.standby = (
            Postgres(name, root, binaries, free_port(), logs) for name in ("server_a", "server_b")
        )
        self.address = Address(self.primary.port)
        self.mail, self.hooks = MailReceiver(), HookReceiver()
        self.port = free_port()
        self.host_ports = ports = [free_port(), free_port()]
        pooler_port, redis_port = free_port(), free_port()
        self.environment = {
            "DATABASE_URL": f"postgresql://events@127.0.0.1:{pooler_port}/events?sslmode=disable",
            "DATABASE_DIRECT_URL": f"postgresql://events@127.0.0.1:{self.address.port}/events"
            "?sslmode=disable",
            "CACHE_URL": f"redis://127.0.0.1:{redis_port}/0",
            "EMAIL_URL": f"smtp://127.0.0.1:{self.mail.port}",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "ALLOWED_HOSTS": "127.0.0.1",
            "TRUSTED_PROXIES": "1",
            "WEBHOOK_NETWORKS": "127.0.0.0/8",
            "RATE_LIMITS": "off",
            "WEB_CONCURRENCY": "2",
            "DATA_DIR": str(root / "web"),
        }
        pooler = self._write(root / "pgbouncer.ini", _pooler(self.address.port, pooler_port))
        nginx = self._write(root / "nginx.conf", _nginx(root, self.port, ports))
        python = {"logs": logs, "directory": PROJECT}

        def program(name: str, *command: str, **variables: str) -> Part:
            return Part(
                name, [sys.executable, *command],
                environment=self.environment | variables, **python,
            )  # fmt: skip

        self.pooler = Part("pgbouncer", ["pgbouncer", "-q", pooler], logs=logs, user="postgres")
        self.redis_port = redis_port
        self.redis = Part(
            "redis", ["redis-server", "--port", str(redis_port), "--save", ""], logs=logs
        )
        self.nginx = Part("nginx", ["nginx", "-c", nginx], logs=logs)
        self.hosts = [
            program(f"web-{number}", "-m", "config.server", PORT=str(port))
            for number, port in enumerate(ports, 1)
        ]
        self.worker = program("worker", "manage.py", "procrastinate", "worker")
        self.mailer = program("mailer", "manage.py", "deliver_notifications")
        self.parts = [
            self.pooler, self.redis, *self.hosts, self.nginx, self.worker, self.mailer,
        ]  # fmt: skip

    def start(self) -> None:
        self.primary.initialize()
        self.primary.start()
        with self.primary.connect() as connection:
            connection.execute("CREATE ROLE events LOGIN")
            connection.execute("CREATE DATABASE events OWNER events")
        self.standby.copy_from(self.primary)
        self.standby.start()
        self.wait_for_standby()
        self.mail.start()
        self.hooks.start()
        self.pooler.start()
        self.redis.start()
        self.manage("migrate", "--noinput")
        for part in self.parts[2:]:
            part.start()
        wait_until(self.responds, 90, "the start")

    def responds(self) -> bool:
        """Whether nginx and each web host respond, and have the database."""
        try:
            for port in (self.port, *self.host_ports):
                with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30):
                    pass
        except (OSError, HTTPException):
            return False
        return True

    def wait_for_standby(self) -> None:
        """From now on a commit is acknowledged when the standby has it."""
        with self.primary.connect() as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = {self.standby.name}")
            connection.execute("SELECT pg_reload_conf()")

    def wait_for_commits(self) -> None:
        """Until the primary is back and the standby has reconnected, which commits wait for."""

        def is_complete() -> bool:
            if not self.primary.responds():
                return False
            with self.primary.connect() as connection:
                query = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
                return connection.execute(query).fetchone() is not None

        wait_until(is_complete, 60, "PostgreSQL's start")

    def fail_over(self) -> None:
        """The primary is lost. The standby takes its place and its address."""
        self.primary.part.stop(number=3)  # SIGQUIT, PostgreSQL's immediate shutdown
        self.primary, self.standby = self.standby, self.primary
        with self.primary.connect() as connection:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("SELECT pg_promote()")
        self.address.move(self.primary.port)

    def rebuild_standby(self) -> None:
        shutil.rmtree(self.standby.data)
        self.standby.copy_from(self.primary)
        self.standby.start()
        self.wait_for_standby()

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT, env={**self.environment, "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{arguments[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def api(self, method: str, path: str, body: object = None, token: str = "") -> dict:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers=headers,
            method=method,
        )
        with urlopen(request, timeout=30) as response:
            return json.load(response)

    def set_in_redis(self, name: str, value: str) -> None:
        command = ["redis-cli", "-p", str(self.redis_port), "config", "set", name, value]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def database(self) -> psycopg.Connection:
        return self.primary.connect("events")

    def remove(self) -> None:
        for part in reversed(self.parts):
            part.stop()
        self.address.close()
        for server in (self.primary, self.standby):
            server.remove()
        self.mail.stop()
        self.hooks.stop()

    @staticmethod
    def _write(path: Path, text: str) -> str:
        path.write_text(text)
        path.chmod(0o644)
        return str(path)


def _pooler(database_port: int, port: int) -> str:
    """The example of the documentation, with other addresses and without passwords."""
    text = (PROJECT / "docs" / "deployment" / "README.md").read_text()
    (example,) = re.findall(r"```ini\n(\[databases\].*?)```", text, re.DOTALL)
    configuration = configparser.ConfigParser()
    configuration.read_string(example)
    configuration["databases"] = {
        "events": f"host=127.0.0.1 port={database_port} dbname=events user=events"
    }
    del configuration["pgbouncer"]["auth_file"]
    configuration["pgbouncer"].update(
        {
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "any",
        }
    )
    output = io.StringIO()
    configuration.write(output)
    return output.getvalue()


def _nginx(root: Path, port: int, hosts: list[int]) -> str:
    servers = "\n".join(f"server 127.0.0.1:{host} fail_timeout=2s;" for host in hosts)
    return f"""daemon off;
user root;
pid {root}/nginx.pid;
error_log {root}/logs/nginx.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {root}/nginx-body;
    proxy_temp_path {root}/nginx-proxy;
    fastcgi_temp_path {root}/nginx-fastcgi;
    uwsgi_temp_path {root}/nginx-uwsgi;
    scgi_temp_path {root}/nginx-scgi;
    upstream web {{
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 9m;
        location / {{
            proxy_pass http://web;
            proxy_connect_timeout 3s;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""
