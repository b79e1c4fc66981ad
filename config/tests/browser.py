"""A real browser for tests: headless Chromium, controlled through a pipe.

It speaks the Chrome DevTools Protocol, JSON with a NUL behind each message, on file descriptors 3
and 4, so there is no port and no library.
"""

import itertools
import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from select import select
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

PATIENCE_SECONDS = 90  # longer than any script waits, so that its own message is reported
_KEYS = {"Tab": 9, "Enter": 13, "Space": 32, "ArrowDown": 40}
_TEXTS = {"Enter": "\r", "Space": " "}
_NAMES = """(
    e => [e.name, e.getAttribute('aria-label'), e.innerText, e.type === 'submit' && e.value]
)(document.activeElement)"""
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",  # loopback alone
    "--remote-debugging-pipe",
)


def views(*usual: tuple[int, str, bool]) -> list[tuple[int, str, bool]]:
    """The widths, colour schemes and scripts that a test runs with: all with `EVERY_VIEW`."""
    if os.environ.get("EVERY_VIEW"):
        return list(itertools.product((390, 1280), ("light", "dark"), (True, False)))
    return list(usual)


def find_browser() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


@contextmanager
def open_browser(
    executable: str, *options: str, width: int = 360, height: int = 740
) -> Iterator["Tab"]:
    """One tab of that size, with further `options`; the browser is gone afterwards."""
    commands_in, commands = os.pipe()
    messages, messages_out = os.pipe()
    with TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                *("sh", "-c", 'exec "$@" 3<"/dev/fd/$IN" 4>"/dev/fd/$OUT"', "browser"),
                *(executable, *_OPTIONS, *options, f"--user-data-dir={profile}"),
            ],
            env={**os.environ, "IN": str(commands_in), "OUT": str(messages_out)},
            pass_fds=(commands_in, messages_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands_in)
        os.close(messages_out)
        try:
            yield Tab(commands, messages, width=width, height=height)
        finally:
            os.close(commands)  # which ends it
            os.close(messages)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_SECONDS)
            process.kill()
            process.wait()


class Tab:
    """`complaints` are what the page logged as errors, such as breaches of its policy."""

    def __init__(self, commands: int, messages: int, *, width: int, height: int) -> None:
        self._commands, self._messages = commands, messages
        self._events: deque[dict[str, Any]] = deque()
        self._unread = b""
        self._last_id = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def open(self, address: str) -> None:
        self._events.clear()
        self.call("Page.navigate", url=address)
        self._await_event("Page.loadEventFired")

    def prefer(self, scheme: str) -> None:
        """The colour scheme of the device: `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def switch_scripts(self, *, on: bool) -> None:
        """Whether pages may run JavaScript. `evaluate` runs all the same."""
        self.call("Emulation.setScriptExecutionDisabled", value=not on)

    def press(self, key: str, *, loads: bool = False) -> None:
        """A key of the keyboard; `loads` when it leads to another page."""
        text = _TEXTS.get(key, "")
        facts = {
            "key": " " if key == "Space" else key,
            "code": key,
            "text": text,
            "windowsVirtualKeyCode": _KEYS[key],
        }
        self._events.clear()
        self.call("Input.dispatchKeyEvent", type="keyDown", **facts)
        self.call("Input.dispatchKeyEvent", type="keyUp", **facts)
        if loads:
            self._await_event("Page.loadEventFired")

    def tab_to(self, name: str, *, most: int = 20) -> None:
        """Press Tab until the keyboard is at what has this name, label or text."""
        for _ in range(most):
            self.press("Tab")
            if name in self.evaluate(_NAMES):
                return
        raise AssertionError(f"No Tab leads to {name!r}.")

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def evaluate(self, script: str) -> Any:
        parameters = {"expression": script, "returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", **parameters)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    @property
    def text(self) -> str:
        return str(self.evaluate("document.body.innerText"))

    @property
    def overflow(self) -> int:
        """How many pixels of the page are beyond the right edge."""
        root = "document.documentElement"
        return int(self.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))

    def picture(self) -> bytes:
        """The whole page as PNG, for people to look at."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return b64decode(answer["data"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise AssertionError(answer["error"])
                return dict(answer["result"])
            self._events.append(answer)

    def _await_event(self, name: str) -> None:
        while True:
            event = self._events.popleft() if self._events else self._read()
            if event.get("method") == name:
                return

    def _read(self) -> dict[str, Any]:
        """The next message; errors that the page logged are noted on the way."""
        deadline = monotonic() + PATIENCE_SECONDS
        while b"\0" not in self._unread:
            if not select([self._messages], [], [], max(0, deadline - monotonic()))[0]:
                raise TimeoutError("The browser does not answer.")
            piece = os.read(self._messages, 1 << 20)
            if not piece:
                raise ConnectionError("The browser is gone.")
            self._unread += piece
        raw, _, self._unread = self._unread.partition(b"\0")
        message = dict(json.loads(raw))
        if message.get("method") == "Log.entryAdded":
            entry = message["params"]["entry"]
            self.complaints.append(f"{entry['text']} {entry.get('url', '')}".strip())
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(message["params"]["exceptionDetails"]["text"])
        return message
