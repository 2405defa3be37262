"""MLflow's page as `make ui` serves it: its own, with a script in front."""

import asyncio
import re
from typing import Any

import pytest

from regimens.tracking.mlflow_runs import with_size

HTML = b"<!doctype html><html><head><title>MLflow</title></head><body></body></html>"


async def inner(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/html"), (b"Content-Length", str(len(HTML)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": HTML[:20], "more_body": True})
    await send({"type": "http.response.body", "body": HTML[20:]})


def get(path: str) -> tuple[dict[bytes, bytes], bytes]:
    page = pytest.importorskip("regimens.tracking.page")
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(page.Page(inner)({"type": "http", "path": path}, None, send))
    return dict(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.filterwarnings("ignore")  # MLflow's server has warnings of its own
def test_the_first_page_has_settings_and_every_other_one_is_mlflows() -> None:
    headers, body = get("/")
    assert re.sub(rb"<script>.*</script>", b"", body, flags=re.DOTALL) == HTML
    assert body.index(b"<script>") < body.index(b"<title>")
    assert b"machine_learning" in body and b"mlflow.sharedViewState.regimens" in body
    assert int(headers[b"content-length"]) == len(body)
    assert b"Content-Length" not in headers
    assert get("/ajax-api/x")[1] == HTML


def test_a_drawing_gets_a_size_where_it_has_none() -> None:
    bare = '<?xml version="1.0"?>\n<svg role="img" viewBox="0 0 424.8 235.44" version="1.1"><path/></svg>'
    assert 'width="849.6" height="470.88" viewBox="0 0 424.8 235.44"' in with_size(bare)
    assert with_size(with_size(bare)) == with_size(bare)
    assert with_size("<svg><path/></svg>") == "<svg><path/></svg>"
