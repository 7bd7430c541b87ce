"""Producers that are not ours: kcat, which is librdkafka, and CloudEvents in both forms."""

import json
import shutil
import subprocess

import pytest

from recsys.events import Feedback
from tests.kafka.rig import Rig, click, user_in

USERS = [f"person {n} ü" for n in range(40)]


def kcat(rig: Rig, topic: str, lines: list[tuple[str, object]], *options: str) -> None:
    """Write records as somebody at a terminal does: one line each, key and value or nothing."""
    program = shutil.which("kcat")
    if program is None:
        pytest.skip("there is no kcat; on Debian: apt install kcat")
    servers = ",".join(rig.settings.kafka.bootstrap_servers)
    text = "".join(
        f"{key}\t{'' if value is None else json.dumps(value, ensure_ascii=False)}\n"
        for key, value in lines
    )
    subprocess.run(
        [program, "-P", "-b", servers, "-t", topic, "-K", "\t", *options],
        input=text.encode(), check=True, timeout=60,
    )  # fmt: skip


async def test_kcat_with_kafkas_partitioner_agrees_with_us_about_every_user(rig: Rig) -> None:
    lines: list[tuple[str, object]] = [(user, click(n, user)) for n, user in enumerate(USERS)]
    kcat(rig, rig.topics.feedback, lines, "-X", "partitioner=murmur2_random")
    await rig.start()
    await rig.caught_up(len(USERS))
    assert rig.ids() == sorted(f"e{n}" for n in range(len(USERS)))
    assert [rig.kafka(index).dead_letters for index in range(2)] == [{}, {}]


async def test_kcat_with_its_own_partitioner_is_told_so_and_loses_nothing(rig: Rig) -> None:
    lines: list[tuple[str, object]] = [(user, click(n, user)) for n, user in enumerate(USERS)]
    kcat(rig, rig.topics.feedback, lines)
    await rig.start()
    await rig.caught_up(len(USERS))
    put_aside = sum(rig.kafka(index).dead_letters.get("partition", 0) for index in range(2))
    assert put_aside > 0
    letters = await rig.read_all(rig.topics.dead_letters, 1, put_aside)
    details = [dict(letter.headers)["dl-detail"] or b"" for letter in letters]
    assert all(b"use Kafka's own partitioner (murmur2)" in detail for detail in details)
    assert len(rig.ids()) + put_aside == len(USERS)


async def test_kcat_writes_items_and_tombstones(rig: Rig) -> None:
    items: list[tuple[str, object]] = [(f"i{n}", {"attributes": {"n": n}}) for n in range(4)]
    kcat(rig, rig.topics.catalogue, items)
    await rig.start(0)
    await rig.caught_up(4)
    assert rig.engines[0].stats().items == 4
    kcat(rig, rig.topics.catalogue, [("i3", None)], "-Z")
    await rig.caught_up(5)
    assert rig.engines[0].stats().items == 3


async def test_cloud_events_come_in_both_forms(rig: Rig) -> None:
    user = user_in(0, 4)
    document = {"type": "click", "user_id": user, "item_id": "i1"}
    envelope = {
        "specversion": "1.0", "id": "e1", "source": "/shop", "type": "shop.click",
        "time": "2026-05-01T12:00:00Z", "data": document,
    }  # fmt: skip
    structured = {"content-type": b"application/cloudevents+json; charset=utf-8"}
    binary = {
        "ce_specversion": b"1.0", "ce_id": b"e2", "ce_source": b"/shop", "ce_type": b"shop.click",
        "ce_time": b"2026-05-01T12:00:01+00:00", "content-type": b"application/json",
    }  # fmt: skip
    await rig.send(rig.topics.feedback, envelope, user, structured)
    await rig.send(rig.topics.feedback, document, user, binary)
    await rig.start(0)
    await rig.caught_up(2)
    found = [event for event in rig.events(0) if isinstance(event, Feedback)]
    assert [(event.event_id, event.ts_ms) for event in found] == [
        ("e1", 1_777_636_800_000),
        ("e2", 1_777_636_801_000),
    ]
