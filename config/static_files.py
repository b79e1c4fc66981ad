"""Static files: hashed names, compressed, with a lifetime of years.

`manage.py collectstatic` copies the files of all apps to `STATIC_ROOT` under names that contain a
hash of their content. WhiteNoise serves these with `Cache-Control: immutable`, and sends the copy
that was compressed beforehand. `make run` and `make serve` collect by themselves.
"""

from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise, without its warning that nothing has been collected yet."""

    def add_files(self, root: str, prefix: str | None = None) -> None:
        if Path(root).is_dir():
            super().add_files(root, prefix)


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """A file that is not collected has its plain name, and is served from its app's directory.

    So a checkout without `collectstatic`, such as that of the tests, has working pages. Plain names
    have a lifetime of one minute.
    """

    def stored_name(self, name: str) -> str:
        hashed: str | None = self.hashed_files.get(self.hash_key(name))
        return hashed or name


def collect_changed() -> bool:
    """Run `collectstatic` if a file is newer than the last run; returns whether it ran.

    Hashing and compressing all files takes seconds.
    """
    manifest = Path(settings.STATIC_ROOT) / HashedStaticFiles.manifest_name
    if manifest.is_file() and manifest.stat().st_mtime >= _last_change():
        return False
    call_command("collectstatic", interactive=False, verbosity=0)
    return True


def _last_change() -> float:
    return max(
        Path(storage.path(name)).stat().st_mtime
        for finder in finders.get_finders()
        for name, storage in finder.list(None)
    )
