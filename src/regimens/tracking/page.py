"""MLflow's own server for `make ui`, whose page opens for the training of models; named to MLflow in pyproject.toml.

MLflow 3's page opens in the mode for language models, with an assistant over a quarter of the window, and an experiment
with none of the columns that matter. The first two are settings that the browser keeps: they are set where their reader
has not chosen otherwise. An experiment that is opened without a view is shown in ours.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mlflow.server.fastapi_app import app as mlflow_app

from regimens.tracking import shared_views

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Message, Receive, Send], Awaitable[None]]

SETTINGS = {
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
    "mlflow.home.getting-started.collapsed_v1": True,
}
SCRIPT = """<script>
for (const [key, value] of Object.entries(SETTINGS))
  if (localStorage.getItem(key) === null) localStorage.setItem(key, JSON.stringify(value));
let last = 0;
async function show() {
  const [, id, query] = location.hash.match(/^#\\/experiments\\/(\\d+)(?:\\/runs)?(?:\\?(.*))?$/) || [];
  if (!id || /viewStateShareKey|searchFilter/.test(query || "") || Date.now() - last < 5000) return;
  const answer = await fetch(`ajax-api/2.0/mlflow/experiments/get?experiment_id=${id}`);
  const tags = answer.ok && (await answer.json()).experiment.tags || [];
  if (!tags.some((tag) => tag.key === "KEY") || !location.hash.startsWith(`#/experiments/${id}`)) return;
  last = Date.now();  // a view that cannot be read is not tried again and again
  location.hash = `#/experiments/${id}/runs?viewStateShareKey=NAME`;
}
for (const name of ["pushState", "replaceState"]) {
  const change = history[name];
  history[name] = function (...words) { change.apply(this, words); show(); };
}
addEventListener("hashchange", show);
addEventListener("load", show);
</script>"""
HEAD = (
    SCRIPT.replace("SETTINGS", json.dumps(SETTINGS))
    .replace("KEY", shared_views.PREFIX + shared_views.DEFAULT)
    .replace("NAME", shared_views.DEFAULT)
    .encode()
)


class Page:
    """An ASGI application: another one, with this script in front of what is at `/`."""

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
                text = body.replace(b"<head>", b"<head>" + HEAD, 1)
                kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
                length = [(b"content-length", str(len(text)).encode())] if body else []
                await send({**start, "headers": [*kept, *length]})
                await send({"type": "http.response.body", "body": text})

        await self.inner(scope, receive, hold)


app = Page(mlflow_app)
