"""Every route asks for its key: without one, with a wrong, an expired or a narrow one."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.auth.key_file import changing_keys
from actors.auth.keys import SCOPES, Scope, make_key
from actors.errors import ShardUnavailable
from actors.gateway import build_app
from actors.messages import APPEND
from actors.settings import HttpSettings, ServerSettings
from tests.servers import SETTINGS, DeafPort, Served, edge, served

OPEN = {"/livez", "/readyz", "/console", "/docs", "/openapi.json"}
"""Who watches a server asks for the first two; the others say nothing of anybody."""
NEEDED: dict[str, Scope] = {
    "POST /v1/recommend": "recommend",
    "POST /v1/recommend:batch": "recommend",
    "POST /v1/rank": "recommend",
    "POST /v1/events": "events",
    "PUT /v1/items/{item_id:path}": "catalogue",
    "DELETE /v1/items/{item_id:path}": "catalogue",
    "POST /v1/items:batch": "catalogue",
    "GET /v1/users/{user_id:path}": "read",
    "GET /v1/decisions/{decision_id:path}": "read",
    "GET /v1/stats": "read",
    "GET /v1/stream": "read",
    "GET /v1/dead-letters": "read",
    "DELETE /v1/users/{user_id:path}": "admin",
    "GET /v1/erasures/{receipt:path}": "admin",
}
EVENT = {"type": "click", "user_id": "ann", "item_id": "i"}


def settings_in(folder: Path, **auth: float) -> ServerSettings:
    values = {"always": True, "keys": folder / "keys.json", "refusals_per_s": 1000, **auth}
    return SETTINGS.model_copy(update={"http": HttpSettings.model_validate({"auth": values})})


def key_for(
    folder: Path,
    *scopes: Scope,
    expires_ms: int = 0,
    requests_per_s: float = 0.0,
    events_per_s: float = 0.0,
) -> dict[str, str]:
    """Make a key; return the header that brings it."""
    name = "-".join(scopes)
    with changing_keys(folder / "keys.json") as keys:
        text, keys[name] = make_key(
            name,
            scopes,
            0,
            expires_ms=expires_ms,
            requests_per_s=requests_per_s,
            events_per_s=events_per_s,
        )
    return {"Authorization": f"Bearer {text}"}


@asynccontextmanager
async def asking(folder: Path, **auth: float) -> AsyncIterator[Served]:
    async with served(settings_in(folder, **auth)) as server:
        yield server


def routes(folder: Path) -> set[str]:
    """Return every method and path of the application, as they stand in its table."""
    found = set[str]()
    for route in build_app(DeafPort(), settings_in(folder)).routes:
        methods: set[str] = getattr(route, "methods", None) or set()
        found |= {f"{method} {getattr(route, 'path', '')}" for method in methods}
    return found


def path_of(call: str) -> str:
    return (
        call.split()[1]
        .replace("{item_id:path}", "x")
        .replace("{user_id:path}", "x")
        .replace("{decision_id:path}", "x")
        .replace("{receipt:path}", "x")
    )


def test_no_route_was_forgotten(tmp_path: Path) -> None:
    guarded = {call for call in routes(tmp_path) if call.split()[1] not in OPEN}
    heads = {call.replace("GET", "HEAD", 1) for call in NEEDED if call.startswith("GET")}
    assert guarded == set(NEEDED) | heads - {"HEAD /v1/stream"}


async def test_without_a_good_key_no_shard_hears_of_it(tmp_path: Path) -> None:
    """Nothing of a body is read either: it is one that could not be."""
    settings = settings_in(tmp_path)
    expired = key_for(tmp_path, "admin", expires_ms=1)
    good = key_for(tmp_path, *SCOPES)
    wrong = {"Authorization": good["Authorization"][:-1] + "!"}
    basic = {"Authorization": "Basic " + good["Authorization"].removeprefix("Bearer ")}
    calls = sorted(routes(tmp_path))
    async with edge(settings) as client:
        for call in calls:
            method, path = call.split()[0], path_of(call)
            if path in OPEN:
                if path != "/readyz":  # it asks the shards
                    assert (await client.request(method, path)).status_code == 200
                continue
            answers = [
                await client.request(method, path, headers=headers, content=b"{")
                for headers in ({}, expired, wrong, basic, {"X-API-Key": "nonsense"})
            ]
            for answer in answers:
                assert answer.status_code == 401, call
                assert answer.headers["www-authenticate"] == 'Bearer realm="recsys"'
                if method != "HEAD":
                    assert answer.json()["type"] == "urn:recsys:problem:unauthorized"
            if method != "HEAD":
                details = [answer.json()["detail"] for answer in answers]
                # An expired key, an unknown and a wrong one look the same from outside.
                assert details[1] == details[2] == details[4]
                assert details[0] == details[3]


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_key_opens_what_its_scope_names(tmp_path: Path, scope: Scope) -> None:
    headers = key_for(tmp_path, scope)
    settings = settings_in(tmp_path)
    async with edge(settings) as client:
        for call, needed in NEEDED.items():
            if scope in {needed, "admin"}:
                continue
            answer = await client.request(call.split()[0], path_of(call), headers=headers)
            assert answer.status_code == 403, call
            problem = answer.json()
            assert problem["type"] == "urn:recsys:problem:forbidden"
            assert f"has not the scope {needed}; it has {scope}" in problem["detail"]
    async with asking(tmp_path) as server:
        for call, needed in NEEDED.items():
            if scope not in {needed, "admin"} or call == "GET /v1/stream":
                continue
            answer = await server.client.request(
                call.split()[0], path_of(call), headers=headers, json={}
            )
            assert answer.status_code not in {401, 403}, call


async def test_a_key_may_come_in_a_header_of_its_own(tmp_path: Path) -> None:
    text = key_for(tmp_path, "read")["Authorization"].removeprefix("Bearer ")
    async with asking(tmp_path) as server:
        for headers in (
            {"X-API-Key": text},
            {"Authorization": f"bearer  {text} "},
            {"Authorization": "Basic eA==", "X-API-Key": text},
            # Of a proxy that knows its callers by tokens of its own.
            {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30.", "X-API-Key": text},
        ):
            assert (await server.client.get("/v1/stats", headers=headers)).status_code == 200
        # Not where it would end up in logs and histories.
        assert (await server.client.get(f"/v1/stats?key={text}")).status_code == 401


async def test_refusals_and_what_administrators_do_are_written_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "actors.audit")
    events, admin = key_for(tmp_path, "events"), key_for(tmp_path, "admin")
    async with asking(tmp_path) as server:
        request = {"X-Request-ID": "r1"}
        await server.client.delete("/v1/users/ann", headers=request)
        await server.client.delete("/v1/users/ann", headers=events | request)
        await server.client.delete("/v1/users/ann", headers=admin | request)
        await server.client.get("/v1/erasures/none", headers=admin | request)
        await server.client.post("/v1/events", json=[EVENT], headers=events)
    lines = [one.getMessage() for one in caplog.records if one.name == "actors.audit"]
    assert lines == [
        "refused 401: DELETE /v1/users/{user_id:path} by nobody known, request r1",
        "refused 403: DELETE /v1/users/{user_id:path} by key events, request r1",
        "DELETE /v1/users/{user_id:path} by key admin: 202, request r1",
        "GET /v1/erasures/{receipt:path} by key admin: 404, request r1",
    ]
    secrets = [header["Authorization"].split("_", 2)[2] for header in (events, admin)]
    assert not any(secret in caplog.text or "ann" in caplog.text for secret in secrets)


async def test_too_many_refusals_are_not_written_down_and_keep_nobody_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    headers, weak = key_for(tmp_path, "read"), key_for(tmp_path, "events")
    wrong = {"X-API-Key": "rs_read_" + "x" * 43}
    async with asking(tmp_path, refusals_per_s=0.001) as server:
        guessed = [await server.client.get("/v1/stats", headers=wrong) for _ in range(5)]
        assert [one.status_code for one in guessed] == [401, 429, 429, 429, 429]
        assert int(guessed[-1].headers["retry-after"]) > 900
        # The console waits for this answer, and a key that is known has an account of its own.
        assert (await server.client.get("/v1/stats")).status_code == 401
        assert (await server.client.get("/v1/stats", headers=weak)).status_code == 403
        assert (await server.client.get("/v1/stats", headers=headers)).status_code == 200
    assert caplog.text.count("refused 401") == 1
    assert caplog.text.count("refused 403") == 1


async def test_a_key_has_its_caps(tmp_path: Path) -> None:
    narrow = key_for(tmp_path, "read", requests_per_s=0.001)
    sender = key_for(tmp_path, "events", events_per_s=0.002)
    async with asking(tmp_path) as server:
        first = await server.client.get("/v1/stats", headers=narrow)
        second = await server.client.get("/v1/stats", headers=narrow)
        assert (first.status_code, second.status_code) == (200, 429)
        assert "may send 0.001 requests a second" in second.json()["detail"]
        assert 900 < int(second.headers["retry-after"]) <= 1000
        # A batch is taken whole or not at all; one that is larger than a burst has to be paid for.
        batch = [EVENT, {**EVENT, "user_id": "ben"}]
        whole = await server.client.post("/v1/events", json=batch, headers=sender)
        assert (whole.status_code, whole.json()["accepted"]) == (202, 2)
        none = await server.client.post("/v1/events", json=batch, headers=sender)
        assert none.status_code == 429
        assert "may send 0.002 events a second" in none.json()["detail"]


async def test_one_person_cannot_drown_the_others(tmp_path: Path) -> None:
    sender = key_for(tmp_path, "events")
    admin = key_for(tmp_path, "admin")
    async with asking(tmp_path, person_events_per_s=0.001, person_burst=3) as server:
        flood = [{**EVENT, "item_id": f"i{n}", "event_id": f"e{n}"} for n in range(5)]
        quiet = {**EVENT, "user_id": "ben", "event_id": "quiet"}
        answer = await server.client.post("/v1/events", json=[*flood, quiet], headers=sender)
        assert answer.status_code == 207
        found = answer.json()
        assert (found["accepted"], found["failed"]) == (4, 2)
        statuses = [one["status"] for one in found["results"]]
        assert statuses == ["accepted"] * 3 + ["capped"] * 2 + ["accepted"]
        assert [one["index"] for one in found["results"]] == list(range(6))
        assert "too many events about this person" in found["results"][4]["detail"]
        known = (await server.client.get("/v1/users/ann", headers=admin)).json()
        assert known["events"] == 3
        alone = await server.client.post("/v1/events", json=flood, headers=sender)
        assert alone.status_code == 429
        assert int(alone.headers["retry-after"]) > 900
        # Whoever loads the past of many people brings a key that may.
        loaded = await server.client.post("/v1/events", json=flood, headers=admin)
        assert loaded.status_code == 202
        assert loaded.json()["duplicates"] == 3


async def test_no_caller_uses_up_what_another_may_send_of_a_person(tmp_path: Path) -> None:
    one, other = key_for(tmp_path, "events"), key_for(tmp_path, "events", "read")
    async with asking(tmp_path, person_events_per_s=0.001, person_burst=1) as server:
        for headers in (one, other):
            first = await server.client.post("/v1/events", json=[EVENT], headers=headers)
            second = await server.client.post("/v1/events", json=[EVENT], headers=headers)
            assert (first.status_code, second.status_code) == (202, 429)


@pytest.mark.parametrize("of_key", [True, False])
async def test_what_nobody_learned_is_given_back(tmp_path: Path, of_key: bool) -> None:
    cap = 0.5 if of_key else 0.0  # with what may be sent at once: one event
    sender = key_for(tmp_path, "events", events_per_s=cap)
    rate = 0.0 if of_key else 0.001
    async with asking(tmp_path, person_events_per_s=rate, person_burst=1) as server:
        for shard in range(2):
            server.port.faults[shard, APPEND] = ShardUnavailable(shard, "it is restarting")
        for _ in range(3):
            lost = await server.client.post("/v1/events", json=[EVENT], headers=sender)
            assert lost.status_code == 503
        server.port.faults.clear()
        taken = await server.client.post("/v1/events", json=[EVENT], headers=sender)
        assert taken.status_code == 202
        over = await server.client.post("/v1/events", json=[EVENT], headers=sender)
        assert over.status_code == 429


async def test_caps_are_divided_among_gateways(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, person_events_per_s=1.0, person_burst=8)
    http = settings.http.model_copy(update={"replicas": 4})
    sender = key_for(tmp_path, "events")
    async with served(settings.model_copy(update={"http": http})) as server:
        many = [{**EVENT, "event_id": f"e{n}"} for n in range(5)]
        first = await server.client.post("/v1/events", json=many, headers=sender)
        assert first.json()["accepted"] == 2
        assert first.headers["retry-after"] == "4"
        refused = await server.client.post("/v1/events", json=[EVENT], headers=sender)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "4")


async def test_where_nobody_is_asked_there_is_no_cap() -> None:
    async with served() as server:
        many = [{**EVENT, "event_id": f"e{n}"} for n in range(1000)]
        for _ in range(3):
            answer = await server.client.post("/v1/events", json=many)
            assert answer.status_code == 202


async def test_the_document_names_the_scopes(tmp_path: Path) -> None:
    async with edge(settings_in(tmp_path)) as client:
        document = (await client.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for call, needed in NEEDED.items():
        method, path = call.split()
        operation = document["paths"][path.replace(":path", "")][method.lower()]
        assert operation["security"] == [{"key": [needed]}, {"own-header": [needed]}]
        assert {"401", "403"} <= operation["responses"].keys()
    assert "security" not in document["paths"]["/livez"]["get"]
    # Strangers read it.
    assert "enum" not in document["components"]["schemas"]["RankBody"]["properties"]["arm"]
    async with edge() as client:
        document = (await client.get("/openapi.json")).json()
    assert "securitySchemes" not in document["components"]
    assert "401" not in document["paths"]["/v1/stats"]["get"]["responses"]
