"""The console of a server that asks for keys."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.browser.chromium import NEEDED, REFUSED, WAIT_MS, Scheme, launched, opened
from tests.browser.locked import Lock, locked
from tests.servers import live

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route

pytestmark = NEEDED

KEPT = "() => JSON.stringify([sessionStorage, localStorage, document.cookie])"
NOTHING_KEPT = '[{},{},""]'


@pytest.fixture(scope="module")
def lock() -> Iterator[Lock]:
    with locked() as running:
        yield running


@pytest.fixture(scope="module")
def browser(lock: Lock) -> Iterator["Browser"]:
    """Depends on the server, so that it is closed first."""
    with launched() as running:
        yield running


def keys_sent(page: "Page") -> list[str | None]:
    """Return a list that grows with each request for a stream from now on."""
    sent: list[str | None] = []

    def note(request: "Request") -> None:
        if request.url.endswith("/v1/stream"):
            sent.append(request.headers.get("x-api-key"))

    page.on("request", note)
    return sent


def asked(page: "Page") -> None:
    page.wait_for_selector("#state[data-state=closed]", timeout=WAIT_MS)
    page.wait_for_selector("#key-send:enabled", timeout=WAIT_MS)
    assert page.locator("#state-text").inner_text() == "key needed"
    assert not page.locator("#board").is_visible()
    assert not page.locator("#forget").is_visible()


def give(page: "Page", key: str) -> None:
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Open").click()


def says(page: "Page", text: str) -> None:
    page.get_by_role("alert").filter(has_text=text).wait_for(timeout=WAIT_MS)


def let_in(page: "Page") -> None:
    page.wait_for_selector("#state[data-state=live]", timeout=WAIT_MS)
    assert page.locator("#board").is_visible()
    assert not page.locator("#door").is_visible()
    assert page.locator("#shards tr").count() == 2
    page.wait_for_selector("#events-plot canvas", timeout=WAIT_MS)
    assert page.locator("#events-plot canvas").bounding_box() is not None


def test_a_key_opens_the_console_until_it_is_forgotten(browser: "Browser", lock: Lock) -> None:
    with opened(browser, lock.url, "/console", expected=REFUSED) as page:
        asked(page)
        assert page.get_by_role("alert").inner_text() == ""
        assert page.evaluate("document.activeElement.id") == "key"
        sent = keys_sent(page)
        give(page, lock.reads)
        let_in(page)
        assert page.evaluate(KEPT) == f'[{{"recsys.key":"{lock.reads}"}},{{}},""]'
        assert lock.reads not in page.url
        assert page.locator("#key").input_value() == ""
        page.reload()
        let_in(page)
        assert sent == [lock.reads, lock.reads]
        page.get_by_role("button", name="Forget key").click()
        asked(page)
        assert sent[2:] == [None]
        assert page.evaluate(KEPT) == NOTHING_KEPT


def test_a_key_that_does_not_fit_is_not_kept(browser: "Browser", lock: Lock) -> None:
    with opened(browser, lock.url, "/console", expected=REFUSED) as page:
        asked(page)
        give(page, "rs_other_0")
        says(page, "not known")
        asked(page)
        give(page, lock.sends)
        says(page, "lacks the scope read")
        asked(page)
        assert page.evaluate(KEPT) == NOTHING_KEPT
        give(page, f"  {lock.reads}\t")
        let_in(page)


def test_what_no_header_carries_is_not_sent(browser: "Browser", lock: Lock) -> None:
    with opened(browser, lock.url, "/console", expected=REFUSED) as page:
        asked(page)
        sent = keys_sent(page)
        for unfit, words in (("", "No key yet"), ("a b", "spaces"), ("clé", "ASCII")):
            give(page, unfit)
            says(page, words)
        assert sent == []


def test_a_key_that_was_withdrawn_is_forgotten(browser: "Browser", lock: Lock) -> None:
    with opened(browser, lock.url, "/console", expected=REFUSED) as page:
        asked(page)
        give(page, lock.reads)
        let_in(page)
        lock.withdraw()
        try:
            page.reload()
            says(page, "was withdrawn")
            asked(page)
            assert page.evaluate(KEPT) == NOTHING_KEPT
        finally:
            lock.restore()


def test_an_answer_about_a_key_may_be_late(browser: "Browser", lock: Lock) -> None:
    def answer(route: "Route") -> None:
        if len(sent) == 1:
            route.fulfill(status=429, headers={"Retry-After": "3"}, body="{}")
        else:
            route.continue_()

    with opened(browser, lock.url, "/console", expected=REFUSED) as page:
        asked(page)
        sent = keys_sent(page)
        page.route("**/v1/stream", answer)
        give(page, lock.reads)
        says(page, "asking again in 3 s")
        assert page.get_by_role("button", name="Open").is_disabled()
        assert page.evaluate(KEPT) == NOTHING_KEPT
        let_in(page)
        assert sent == [lock.reads, lock.reads]


def test_a_stream_that_ends_begins_again(browser: "Browser", lock: Lock) -> None:
    """Ends after a tick, breaks off, is refused by a proxy, and is there again."""
    stats = httpx2.get(f"{lock.url}/v1/stats", headers={"x-api-key": lock.reads}).json()
    tick = f"retry: 20\n\nevent: tick\ndata: {json.dumps(stats)}\n\n"
    sent: list[str | None] = []

    def answer(route: "Route") -> None:
        sent.append(route.request.headers.get("x-api-key"))
        match len(sent):
            case 2:
                route.abort("connectionreset")
            case 3:
                route.fulfill(status=403, content_type="text/html", body="not by this way")
            case 6:
                route.fulfill(status=401, content_type="application/problem+json", body="{}")
            case _:
                route.fulfill(status=200, content_type="text/event-stream", body=tick)

    with opened(browser, lock.url, "/console", expected="error: Failed to load") as page:
        asked(page)
        page.route("**/v1/stream", answer)
        give(page, lock.reads)
        says(page, "was withdrawn")  # the sixth answer is the first about the key
        assert sent == [lock.reads] * 6
        asked(page)
        page.unroute("**/v1/stream")
        give(page, lock.reads)
        let_in(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_form_fits_every_screen(
    browser: "Browser", lock: Lock, scheme: Scheme, width: int
) -> None:
    with opened(browser, lock.url, "/console", scheme, expected=REFUSED) as page:
        page.set_viewport_size({"width": width, "height": 700})
        asked(page)
        give(page, lock.sends)
        says(page, "lacks the scope")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        give(page, lock.reads)
        let_in(page)
        assert page.get_by_role("button", name="Forget key").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_browser_that_keeps_nothing_is_asked_again(browser: "Browser", lock: Lock) -> None:
    forbid = (
        "Object.defineProperty(window, 'sessionStorage', "
        "{get() { throw new DOMException('forbidden', 'SecurityError'); }});"
    )
    with opened(browser, lock.url, "/console", expected=REFUSED) as page:
        page.add_init_script(forbid)
        page.reload()
        asked(page)
        give(page, lock.reads)
        let_in(page)
        page.reload()
        asked(page)


def test_where_no_key_is_asked_for_there_is_no_word_of_it(browser: "Browser") -> None:
    sent: list[dict[str, str]] = []
    with live() as free, opened(browser, free, "/console") as page:
        page.on("request", lambda request: sent.append(request.headers))
        page.reload()
        let_in(page)
        assert not page.locator("#forget").is_visible()
        assert page.evaluate(KEPT) == NOTHING_KEPT
        assert sent
        assert not any({"x-api-key", "authorization"} & headers.keys() for headers in sent)


def test_events_come_apart_wherever_they_are_cut(browser: "Browser", lock: Lock) -> None:
    text = (
        "\ufeff: a comment\nretry: 30\nretry: soon\n\n"
        "event: tick\r\ndata: {}\r\nid: 1\r\n\r\n"
        "data:é\rdata:  two\rnothing\r\r"
        "event: forgotten\n\n"
        "event\ndata\n\n"
        "event: tick\ndata: unfinished"
    )
    parse = """async ([text, size]) => {
        const { EventParser } = await import("/console/static/stream.js");
        const parser = new EventParser();
        const bytes = new TextEncoder().encode(text);
        const events = [];
        for (let at = 0; at < bytes.length; at += size)
            events.push(...parser.push(bytes.slice(at, at + size)));
        return [events, parser.retry];
    }"""
    expected = [
        {"type": "tick", "data": "{}"},
        {"type": "message", "data": "é\n two"},
        {"type": "message", "data": ""},
    ]
    with opened(browser, lock.url, "/console", expected=REFUSED) as page:
        asked(page)
        for size in (1, 2, 3, 5, 7, 1000):
            assert page.evaluate(parse, [text, size]) == [expected, 30], size


def test_the_documentation_takes_a_key(browser: "Browser", lock: Lock) -> None:
    bearers: list[str | None] = []

    def note(request: "Request") -> None:
        if request.url.endswith("/v1/stats"):
            bearers.append(request.headers.get("authorization"))

    with opened(browser, lock.url, "/docs") as page:
        page.on("request", note)
        page.get_by_role("button", name="Authorize").click(timeout=WAIT_MS)
        # The other way to bring it, a header of its own, comes behind.
        page.locator(".auth-container input").first.fill(lock.reads)
        page.locator(".modal-ux button.authorize").first.click()
        page.locator(".modal-ux button.btn-done").first.click()
        page.locator(".opblock-summary", has_text="/v1/stats").click()
        page.locator(".opblock-body button.execute").click(timeout=WAIT_MS)
        page.locator(".live-responses-table .response-col_status").filter(has_text="200").wait_for(
            timeout=WAIT_MS
        )
    assert bearers == [f"Bearer {lock.reads}"]
