from pathlib import Path

from benchmarks.streams import recorded, synthetic


def test_a_stream_is_drawn_from_its_seed() -> None:
    items, events = synthetic(300, 1)
    assert synthetic(300, 1) == (items, events)
    assert {event.item_id for event in events} <= {item.item_id for item in items}
    ids = {event.event_id for event in events}
    assert len(ids) == 300
    other = synthetic(300, 2).events
    assert not ids & {event.event_id for event in other}
    assert [event.user_id for event in events] != [event.user_id for event in other]


def test_a_recorded_stream_is_the_oldest_rows(tmp_path: Path) -> None:
    ratings = [
        "user,item,rating,timestamp",
        "u,new,5,900000003",
        "u,old,3,900000001",
        "v,b,5,900000002",
    ]
    (tmp_path / "ratings.csv").write_text("\n".join(ratings))
    items, events = recorded(tmp_path, 2)
    assert items == []
    assert [(event.item_id, event.type) for event in events] == [("old", "rating"), ("b", "click")]
    (tmp_path / "items.csv").write_text("item,title,genres,year\nold,Old,Drama|War,1950\n")
    (item,) = recorded(tmp_path, 2).items
    assert (item.item_id, item.attributes["genres"]) == ("old", ["Drama", "War"])
