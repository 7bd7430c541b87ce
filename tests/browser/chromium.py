"""Chromium for tests of the pages: what they say on its console, and whom they ask."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["NEEDED", "REFUSED", "WAIT_MS", "Scheme", "launched", "opened"]

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM: Final = shutil.which("chromium")

NEEDED: Final = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

Scheme = Literal["light", "dark"]
WAIT_MS: Final = 20_000
REFUSED: Final = "error: Failed to load resource: the server responded with a status of 4"
"""Chromium says so of every answer that is a refusal; no page can help it."""


@contextmanager
def launched() -> Iterator["Browser"]:
    """Run Chromium. To be closed before the server: its streams end then."""
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@contextmanager
def opened(
    browser: "Browser",
    address: str,
    path: str,
    scheme: Scheme = "light",
    *,
    expected: str | None = None,
) -> Iterator["Page"]:
    """Open a page; afterwards it must have complained of nothing and asked nobody else.

    Parameters
    ----------
    expected
        How a complaint begins that is none.
    """
    complaints: list[str] = []
    asked: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}{path}")
    yield page
    context.close()
    assert [text for text in complaints if not (expected and text.startswith(expected))] == []
    assert asked
    assert [url for url in asked if not url.startswith((f"{address}/", "data:"))] == []
