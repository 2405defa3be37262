"""Downloads against a server on 127.0.0.1 that misbehaves on purpose."""

import gzip
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from regimens.core.errors import DataError
from regimens.data.download import fetch, gunzip

PLAIN = np.random.default_rng(0).bytes(300_000)
PACKED = gzip.compress(PLAIN)
DIGEST = hashlib.sha256(PLAIN).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers each request with the next of `behaviours`, the last one for ever; notes every Range asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours: list[Callable[[Handler], None]] = []
        self.ranges: list[str | None] = []
        self.released = threading.Event()

    def url(self, name: str = "file.gz") -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that the test dropped is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers["Range"])
        behaviours = self.server.behaviours
        (behaviours.pop(0) if len(behaviours) > 1 else behaviours[0])(self)

    def answer(self, body: bytes, status: int = 200, length: int | None = None, kind: str = "application/gzip") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def whole(handler: Handler) -> None:
    handler.answer(PACKED)


def rest(handler: Handler) -> None:
    start = int((handler.headers["Range"] or "bytes=0-")[6:-1])
    handler.answer(PACKED[start:], 206)


def drop_half_way(handler: Handler) -> None:
    handler.answer(PACKED[:150_000], length=len(PACKED))
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def cut_short(handler: Handler) -> None:
    handler.answer(PACKED[:150_000])


def damaged(handler: Handler) -> None:
    handler.answer(PACKED[:1000] + bytes(1000) + PACKED[2000:])


def another_file(handler: Handler) -> None:
    handler.answer(gzip.compress(b"something else"))


def page(handler: Handler) -> None:
    handler.answer(b"<!DOCTYPE html><html>Please sign in to this wireless network</html>", kind="text/html")


def garbage(handler: Handler) -> None:
    handler.answer(b"not found, sorry")


def status(code: int) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(b"", code)


def hang(handler: Handler) -> None:
    handler.server.released.wait(5)


def get(server: Server, target: Path, *behaviours: Callable[[Handler], None], **options: float) -> bytes:
    server.behaviours = list(behaviours)
    return fetch([server.url()], target, DIGEST, pause=0.01, **({"timeout": 5} | options))  # type: ignore[arg-type]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "file.gz"


def test_a_whole_file_arrives_and_nothing_else_stays(server: Server, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    server.behaviours = [whole]
    assert fetch([server.url()], target, DIGEST, progress=lambda *told: seen.append(told)) == PLAIN
    assert gunzip(target) == PLAIN
    assert [path.name for path in target.parent.iterdir()] == ["file.gz"]
    assert seen[-1] == (len(PACKED), len(PACKED))


def test_a_dropped_connection_is_gone_on_from(server: Server, target: Path) -> None:
    assert get(server, target, drop_half_way, rest) == PLAIN
    assert server.ranges == [None, "bytes=150000-"]


def test_the_next_call_goes_on_from_what_the_last_one_left(server: Server, target: Path) -> None:
    with pytest.raises(DataError, match=f"connection dropped at 150000 of {len(PACKED)} bytes, after 1 tries"):
        get(server, target, drop_half_way, tries=1)
    assert not target.exists()
    assert get(server, target, rest) == PLAIN
    assert server.ranges[-1] == "bytes=150000-"


def test_a_server_without_ranges_sends_it_all_again(server: Server, target: Path) -> None:
    assert get(server, target, drop_half_way, whole) == PLAIN


def test_a_part_that_does_not_fit_is_thrown_away(server: Server, target: Path) -> None:
    with pytest.raises(DataError):
        get(server, target, drop_half_way, tries=1)
    part = next(target.parent.glob("*.part"))
    part.write_bytes(PACKED[:10] + bytes(149_990))
    assert get(server, target, rest, whole) == PLAIN


def test_a_part_that_is_already_whole_is_used(server: Server, target: Path) -> None:
    with pytest.raises(DataError):
        get(server, target, drop_half_way, tries=1)
    next(target.parent.glob("*.part")).write_bytes(PACKED)
    assert get(server, target, status(416)) == PLAIN


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, target: Path, code: int) -> None:
    assert get(server, target, status(code), status(code), whole) == PLAIN


@pytest.mark.parametrize(
    ("behaviour", "message", "asked"),
    [
        (page, r"a web page \(HTML\) instead of gzip", 1),
        (garbage, "not gzip", 1),
        (status(404), "HTTP 404", 1),
        (status(403), "HTTP 403", 1),
        (another_file, r"not the published file \(SHA-256 differs\)", 1),
        (cut_short, "truncated gzip, after 3 tries", 3),
        (damaged, "corrupt gzip .*, after 3 tries", 3),
        (status(502), "HTTP 502, after 3 tries", 3),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_leaves_no_file(
    server: Server, target: Path, behaviour: Callable[[Handler], None], message: str, asked: int
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        get(server, target, behaviour, tries=3)
    assert str(caught.value).startswith(server.url())
    assert "\n" not in str(caught.value)
    assert len(server.ranges) == asked
    assert not target.exists()


def test_silence_is_not_waited_for(server: Server, target: Path) -> None:
    with pytest.raises(DataError, match="timed out"):
        get(server, target, hang, tries=1, timeout=0.1)


def test_the_next_mirror_is_asked_where_one_fails(server: Server, target: Path) -> None:
    server.behaviours = [page, whole]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        urls = [f"http://127.0.0.1:{closed.getsockname()[1]}/file.gz", server.url("one.gz"), server.url("two.gz")]
        assert fetch(urls, target, DIGEST, tries=2, pause=0.01) == PLAIN


def test_every_mirror_that_failed_is_named(server: Server, target: Path) -> None:
    server.behaviours = [page, status(404)]
    with pytest.raises(DataError) as caught:
        fetch([server.url("one.gz"), server.url("two.gz")], target, DIGEST)
    one, two = str(caught.value).splitlines()
    assert "one.gz: a web page" in one
    assert "two.gz: HTTP 404" in two


def test_a_full_disk_stops_at_once(server: Server, target: Path) -> None:
    url = server.url()
    target.parent.mkdir()
    part = target.with_name(f"{target.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
    part.symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"no space left on the disk while writing .*: free some space"):
        get(server, target, whole)
    assert len(server.ranges) == 1


def test_an_unwritable_folder_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot write .*: (Not a directory|File exists): make the folder writable"):
        get(server, tmp_path / "file" / "file.gz", whole)
