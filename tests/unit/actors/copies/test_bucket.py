"""What is told of an object store that refuses; ``tests/s3`` has a real one."""

from pathlib import Path
from typing import NoReturn

import obstore
import obstore.exceptions
import pytest

from actors.copies.bucket import Bucket
from actors.errors import CopyError

REQUEST = "Generic S3 error: Error performing GET http://127.0.0.1:1/b in 3ms"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            f"{REQUEST} - 403 Forbidden: <?xml?>\n<Error>\n  <Code>AccessDenied</Code>"
            "\n  <Message>Access Denied</Message>\n  <Resource>/b</Resource>\n</Error>",
            "Access Denied (AccessDenied)",
        ),
        (f"{REQUEST} - HTTP error: error sending request\n\nDebug source: x", f"{REQUEST} - HTTP "),
        ("", "GenericError"),
    ],
)
def test_what_a_store_says_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    bucket = Bucket(tmp_path.as_uri())

    def refuse(*_: object) -> NoReturn:
        raise obstore.exceptions.GenericError(said)

    monkeypatch.setattr(obstore, "list", refuse)
    with pytest.raises(CopyError) as caught:
        bucket.names("shard-0/")
    assert str(caught.value).startswith(f"{bucket.name}: shard-0/: {told}")
    assert "\n" not in str(caught.value)
