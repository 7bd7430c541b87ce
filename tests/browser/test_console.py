"""The pages in a real browser: they work, and they ask nobody but their own server."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.browser.chromium import NEEDED, WAIT_MS, Scheme, launched, opened
from tests.servers import live

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = NEEDED


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with live() as url:
        yield url


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator["Browser"]:
    """Depends on the server, so that it is closed first."""
    with launched() as running:
        yield running


def act(address: str, user_id: str) -> None:
    """Ask for a list and click its first item."""
    with httpx2.Client(base_url=address) as client:
        items = [{"item_id": f"i{n}", "attributes": {"genre": "ab"[n % 2]}} for n in range(10)]
        client.post("/v1/items:batch", json={"items": items}).raise_for_status()
        shown = client.post("/v1/recommend", json={"user_id": user_id, "n": 5}).json()
        click = {
            "type": "click",
            "user_id": user_id,
            "item_id": shown["items"][0]["item_id"],
            "decision_id": shown["decision_id"],
        }
        client.post("/v1/events", json=[click]).raise_for_status()


def number(page: "Page", name: str) -> int:
    text = page.locator(f"#{name}").inner_text()
    return int(re.sub(r"\D", "", text) or 0)


def test_the_console_shows_what_happens(browser: "Browser", address: str) -> None:
    with opened(browser, address, "/console") as page:
        page.wait_for_selector("#state[data-state=live]", timeout=WAIT_MS)
        assert page.locator("#state-text").inner_text() == "live"
        assert page.locator("#shards tr").count() == 2
        before = number(page, "sequence")
        for n in range(5):
            act(address, f"u{n}")
        page.wait_for_function(
            "before => Number(document.querySelector('#sequence').innerText.replace(/\\D/g, ''))"
            " >= before + 30",
            arg=before,
            timeout=WAIT_MS,
        )
        page.wait_for_selector("#legend li", timeout=WAIT_MS)
        page.wait_for_selector("#rate-plot:not(.is-empty) canvas", timeout=WAIT_MS)
        assert re.fullmatch(r"[\d.,]+", page.locator("#p50").inner_text())
        page.wait_for_function(
            "() => [...document.querySelectorAll('#arms tr td:nth-child(4)')]"
            ".reduce((sum, cell) => sum + Number(cell.innerText), 0) === 5",
            timeout=WAIT_MS,
        )
        page.select_option("#window", "30")
        assert "30 s" in page.locator("#rate-note").inner_text()


def test_the_console_says_when_the_server_is_gone(browser: "Browser") -> None:
    with live() as address:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{address}/console")
        page.wait_for_selector("#state[data-state=live]", timeout=WAIT_MS)
    page.wait_for_selector("#state[data-state=down]", timeout=WAIT_MS)
    assert page.locator("#state-text").inner_text() == "reconnecting"
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_console_fits_every_screen(
    browser: "Browser", address: str, scheme: Scheme, width: int
) -> None:
    with opened(browser, address, "/console", scheme) as page:
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_selector("#state[data-state=live]", timeout=WAIT_MS)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = min(int(part) for part in re.findall(r"\d+", background)[:3]) > 128
        assert light == (scheme == "light")


def test_nothing_moves_when_the_first_numbers_arrive(browser: "Browser", address: str) -> None:
    act(address, "ann")
    with opened(browser, address, "/console") as page:
        place = "document.querySelector('#arms').closest('section').getBoundingClientRect().top"
        before = page.evaluate(place)
        page.wait_for_selector("#state[data-state=live]", timeout=WAIT_MS)
        page.wait_for_selector("#legend li", timeout=WAIT_MS)
        assert page.evaluate(place) == before


def test_everything_on_the_console_has_a_name(browser: "Browser", address: str) -> None:
    with opened(browser, address, "/console") as page:
        page.wait_for_selector("#state[data-state=live]", timeout=WAIT_MS)
        for role in ("img", "region", "status", "combobox", "table"):
            assert page.get_by_role(role).count() > 0
        assert page.get_by_role("combobox", name="over the last").count() == 1
        nameless = page.evaluate(
            "[...document.querySelectorAll('[role=img], [role=region]')].filter("
            "e => !e.ariaLabel && !e.getAttribute('aria-labelledby')).length"
        )
        assert nameless == 0


def test_the_documentation_renders(browser: "Browser", address: str) -> None:
    paths = httpx2.get(f"{address}/openapi.json").json()["paths"]
    with opened(browser, address, "/docs") as page:
        page.wait_for_selector(".opblock-summary", timeout=WAIT_MS)
        assert page.locator(".opblock").count() == sum(map(len, paths.values())) >= 15
        page.locator(".opblock-summary", has_text="/v1/events").click()
        page.wait_for_selector(".opblock-body", timeout=WAIT_MS)
