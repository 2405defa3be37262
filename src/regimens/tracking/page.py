"""MLflow's own server for `make ui`, whose page opens for the training of models; named to MLflow in pyproject.toml.

MLflow 3's page opens in the mode for language models, with an assistant over a quarter of the window. Both are settings
that the browser keeps for the page: they are set where the reader has not chosen otherwise.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mlflow.server.fastapi_app import app as mlflow_app

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Message, Receive, Send], Awaitable[None]]

SETTINGS = {
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
    "mlflow.home.getting-started.collapsed_v1": True,
}
SCRIPT = (
    f"<script>for (const [key, value] of Object.entries({json.dumps(SETTINGS)}))"
    " if (localStorage.getItem(key) === null) localStorage.setItem(key, JSON.stringify(value))</script>"
).encode()


class Page:
    """An ASGI application: another one, with these settings in front of what is at `/`."""

    def __init__(self, inner: Asgi) -> None:
        self.inner = inner

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] != "/":
            await self.inner(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def hold(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                text = body.replace(b"<head>", b"<head>" + SCRIPT, 1)
                kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
                length = [(b"content-length", str(len(text)).encode())] if body else []
                await send({**start, "headers": [*kept, *length]})
                await send({"type": "http.response.body", "body": text})

        await self.inner(scope, receive, hold)


app = Page(mlflow_app)
