from pathlib import Path

import pytest

from recsys.datasets import read_items
from recsys.errors import InvalidDataset

FLAGS = "|".join("1" if place in {5, 8} else "0" for place in range(19))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("items.csv", "item,movie_id,title,genres\n7,99,Toy Story (1995),Comedy|Drama\n"),
        ("items.csv", "item_id,movie_title,release_year,class\n7,Toy,1995,Comedy Drama\n"),
        ("movies.csv", 'movieId,title,genres\n7,"Story, A (1995)",Comedy|Drama|Comedy\n'),
        ("movies.dat", "7::Toy Story (1995)::Comedy|Drama\n"),
        ("u.item", f"7|Toy Story (1995)|01-Jan-1995||http://x|{FLAGS}\n"),
    ],
)
def test_the_shapes_of_movielens(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_items(tmp_path) == {"7": {"genres": ["Comedy", "Drama"], "decade": "1990s"}}


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "movies.csv"
    path.write_text("movieId,title,genres\n1,Untitled,(no genres listed)\n2,1984,\n")
    assert read_items(path) == {"1": {}, "2": {}}


def test_titles_of_another_age(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_bytes("1::Café (1990)::Drama\n".encode("latin-1"))
    assert read_items(tmp_path) == {"1": {"genres": ["Drama"], "decade": "1990s"}}


def test_no_items(tmp_path: Path) -> None:
    assert read_items(tmp_path) is None
    path = tmp_path / "items.csv"
    path.write_text("name,genres\n")
    with pytest.raises(InvalidDataset, match="expected one of the columns item, item_id"):
        read_items(path)


@pytest.mark.parametrize("item_id", ["", "x" * 300])
def test_bad_ids_name_their_line(tmp_path: Path, item_id: str) -> None:
    path = tmp_path / "items.csv"
    path.write_text(f"item,genres\na,Drama\n{item_id},Drama\n")
    with pytest.raises(
        InvalidDataset, match=r"line 3, column 'item': .*(must not be empty|has at most 256 bytes)"
    ):
        read_items(path)


def test_every_column_for_whoever_asks(tmp_path: Path) -> None:
    path = tmp_path / "goods.csv"
    path.write_text(
        "item_id,title,brand,price,code,tags\n"
        "7,Cup,Acme,9.5,12,red|blue|red\n"
        "8,Mug,,,x1,green\n"
        "9,Jug,Acme,1e3,,\n"
    )
    assert read_items(path, None) == {
        "7": {"brand": "Acme", "price": 9.5, "code": "12", "tags": ["red", "blue"]},
        "8": {"code": "x1", "tags": "green"},
        "9": {"brand": "Acme", "price": 1000.0},
    }
    assert read_items(path) == {"7": {}, "8": {}, "9": {}}
    assert read_items(path, ("price", "decade")) == {
        "7": {"price": 9.5},
        "8": {},
        "9": {"price": 1000.0},
    }


def test_numbers_that_are_too_large_are_names(tmp_path: Path) -> None:
    path = tmp_path / "goods.csv"
    path.write_text("item_id,ean,odd\n7,4006381333931,nan\n8,5,1\n")
    assert read_items(path, None) == {
        "7": {"ean": "4006381333931", "odd": "nan"},
        "8": {"ean": "5", "odd": "1"},
    }


@pytest.mark.parametrize(
    ("header", "names", "words"),
    [
        (
            "item_id,brand",
            ["brand", "colour"],
            "there are no attributes colour; there may be genre",
        ),
        ("item_id,brand,brand", None, "the columns brand are there twice"),
    ],
)
def test_attributes_that_are_not_there(
    tmp_path: Path, header: str, names: list[str] | None, words: str
) -> None:
    path = tmp_path / "goods.csv"
    path.write_text(f"{header}\n")
    with pytest.raises(InvalidDataset, match=words):
        read_items(path, names)


def test_free_text_is_no_attribute(tmp_path: Path) -> None:
    path = tmp_path / "goods.csv"
    path.write_text(f"item_id,about\n7,short\n8,{'long ' * 60}\n")
    with pytest.raises(InvalidDataset, match="line 3, column 'item_id': attributes/about: has"):
        read_items(path, None)
