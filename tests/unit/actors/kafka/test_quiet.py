"""A library that says the same ten times a second."""

import logging

import pytest

from actors.kafka.quiet import Seldom, quieten


def test_the_same_line_passes_once_in_a_while_and_says_how_often_it_did_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0
    seldom = Seldom(600.0, lambda: now)
    log = logging.getLogger("a.noisy.library")
    log.addFilter(seldom)
    for attempt in range(1201):
        log.error("Unable to connect to %s", attempt)
        log.warning("another thing")
        now += 1
    assert caplog.messages == [
        "Unable to connect to 0",
        "another thing",
        "Unable to connect to 600 (and 599 times since the last line)",
        "another thing (and 599 times since the last line)",
        "Unable to connect to 1200 (and 599 times since the last line)",
        "another thing (and 599 times since the last line)",
    ]


def test_what_is_no_complaint_passes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = logging.getLogger("a.chatty.library")
    log.addFilter(Seldom(60.0, lambda: 0.0))
    for _ in range(3):
        log.info("all is well")
    assert len(caplog.messages) == 3


def test_what_is_remembered_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("a.library.that.formats.its.templates")
    seldom = Seldom(60.0, lambda: 0.0)
    log.addFilter(seldom)
    for n in range(1000):
        log.error(f"fault {n}")
    assert len(caplog.messages) == 1000
    assert len(vars(seldom)["_said"]) <= 200


def test_all_loggers_of_a_library_are_quietened_and_no_others() -> None:
    own = [logging.getLogger(name) for name in ("noisy", "noisy.client", "noisy.conn")]
    stranger = logging.getLogger("noisyneighbour")
    quieten("noisy")
    assert [len(one.filters) for one in own] == [1, 1, 1]
    assert stranger.filters == []
