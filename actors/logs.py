"""Where actors write: their standard error, which Ray keeps in one file per process."""

import logging
import sys

__all__ = ["log_to_stderr"]


def log_to_stderr() -> None:
    """Show what our own code says from INFO on, and only warnings of the libraries."""
    # Not what Serve puts in its place: it keeps back a thousand lines, and loses them when the
    # process is killed.
    logging.basicConfig(
        stream=sys.__stderr__, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for package in ("actors", "recsys"):
        logging.getLogger(package).setLevel(logging.INFO)
