"""As much of a WebDriver client (W3C, over HTTP) as the browser tests need."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DRIVER = shutil.which("chromedriver")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]


class Browser:
    """One headless session."""

    def __init__(self, base: str) -> None:
        options = {"args": ARGUMENTS}
        capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = call(f"{base}/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.base = f"{base}/session/{made['sessionId']}"

    def visit(self, url: str, width: int, scheme: str) -> None:
        """Open `url` in a viewport of `width` CSS pixels with the given colour scheme."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.devtools("Emulation.setEmulatedMedia", {"features": features})
        call(f"{self.base}/url", {"url": url})

    def devtools(self, command: str, params: dict[str, Any]) -> Any:
        """One command of the DevTools protocol."""
        return call(f"{self.base}/goog/cdp/execute", {"cmd": command, "params": params})

    def run(self, script: str) -> Any:
        """The value that JavaScript returns."""
        return call(f"{self.base}/execute/sync", {"script": script, "args": []})

    def wait(self, script: str, seconds: float = 60) -> Any:
        """The value that JavaScript returns, once it is one that counts as true; AssertionError after `seconds`."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"waited {seconds} s for: {script}"
            time.sleep(0.3)
        return value

    def picture(self, path: Path) -> None:
        """Save what the window shows as a PNG."""
        path.write_bytes(base64.b64decode(call(f"{self.base}/screenshot")))

    def console(self) -> list[dict[str, Any]]:
        """What the page has written to the console."""
        return list(call(f"{self.base}/se/log", {"type": "browser"}))


def call(url: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
    """One WebDriver command."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["value"]


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium for as long as the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([str(DRIVER), f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(100):
            try:
                call(f"{base}/status")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        session = Browser(base)
        try:
            yield session
        finally:  # or Chromium outlives its driver
            call(session.base, method="DELETE")
    finally:
        process.terminate()
        process.wait(timeout=20)
