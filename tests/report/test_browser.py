"""The report in a real browser: no errors, no broken anchors, nothing wider than the window, in both themes."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webdriver import DRIVER, Browser, browser

pytestmark = [pytest.mark.browser, pytest.mark.skipif(DRIVER is None, reason="needs chromedriver")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as session:
        yield session


@pytest.fixture(scope="module")
def page(reported: Path) -> str:
    return (reported / "report.html").as_uri()


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_is_quiet(chromium: Browser, page: str, width: int, scheme: str) -> None:
    chromium.visit(page, width, scheme)
    assert chromium.run("return window.innerWidth") == width
    assert chromium.run("return document.documentElement.scrollWidth") <= width
    assert chromium.console() == []
    wanted = "rgb(20, 24, 28)" if scheme == "dark" else "rgb(255, 255, 255)"
    assert chromium.run("return getComputedStyle(document.body).backgroundColor") == wanted


def test_every_anchor_has_its_target(chromium: Browser, page: str) -> None:
    chromium.visit(page, 1280, "light")
    broken = """return [...document.querySelectorAll('a[href^="#"]')].map((a) => a.getAttribute("href").slice(1))
        .filter((id) => !document.getElementById(id))"""
    assert chromium.run(broken) == []


def test_drawings_find_their_parts(chromium: Browser, page: str) -> None:
    chromium.visit(page, 1280, "light")
    lost = """return [...document.querySelectorAll("svg use")].map((u) => u.href.baseVal.slice(1))
        .filter((id) => !document.getElementById(id)).length"""
    assert chromium.run(lost) == 0


def test_no_text_is_cut_off_at_a_drawings_edge(chromium: Browser, page: str) -> None:
    chromium.visit(page, 1280, "light")
    cut = """return [...document.querySelectorAll("figure svg")].flatMap((svg) => {
        const box = svg.getBoundingClientRect();
        return [...svg.querySelectorAll("text")].filter((t) => {
            const b = t.getBoundingClientRect();
            return b.width && (b.left < box.left - 4 || b.right > box.right + 4);
        }).map((t) => svg.parentElement.id + ": " + t.textContent.trim());
    })"""
    assert chromium.run(cut) == []


def test_a_table_sorts_by_number_both_ways(chromium: Browser, page: str) -> None:
    chromium.visit(page, 1280, "light")
    sort = """const table = document.querySelector("#optimizers table.sortable");
        const head = table.querySelectorAll("thead button")[1];
        const column = () => [...table.tBodies[0].rows].map((r) => parseFloat(r.cells[1].textContent));
        head.click(); const up = column(); head.click(); return [up, column()]"""
    up, down = chromium.run(sort)
    assert up == sorted(up)
    assert down == sorted(up, reverse=True)


def test_a_table_sorts_from_the_keyboard(chromium: Browser, page: str) -> None:
    chromium.visit(page, 1280, "light")
    chromium.run("document.querySelector('#optimizers table.sortable thead button').focus()")
    for kind in ("keyDown", "keyUp"):
        chromium.devtools("Input.dispatchKeyEvent", {"type": kind, "key": "Enter", "code": "Enter", "text": "\r",
                                                     "windowsVirtualKeyCode": 13})  # fmt: skip
    state = "return document.querySelector('#optimizers table.sortable th').getAttribute('aria-sort')"
    assert chromium.run(state) == "ascending"


def test_it_prints(chromium: Browser, page: str) -> None:
    chromium.visit(page, 1280, "light")
    printed = chromium.devtools("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    assert base64.b64decode(printed).startswith(b"%PDF")
    assert len(printed) > 50_000
