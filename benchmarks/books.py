"""The accounts of a server that was hurt: what it promised, what it wrote, what it learned.

All events are acknowledged in the end. They are held against what ``/v1/stats`` and ``/v1/users``
say was learned, before the server ends; against the logs on the disk, once it has ended; and the
logs, folded anew without a crash, must give the very bytes that the shards had learned.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from benchmarks.audit import Audit, Sent, audit
from benchmarks.rebuild import Rebuilt, rebuild
from benchmarks.sender import Sender
from recsys.client import AsyncClient
from recsys.events import Feedback
from recsys.settings import EngineSettings
from recsys.store.sqlite import SqliteStore
from simulators.replay import learned

__all__ = ["Books", "Heard", "close_books", "hear"]


class Heard(msgspec.Struct, frozen=True):
    """What a running server says it has learned.

    Attributes
    ----------
    learned
        Feedback that ``/v1/stats`` counts.
    learned_of
        Events that ``/v1/users`` counts, by user id.
    """

    learned: int
    learned_of: dict[str, int]


class Books(msgspec.Struct, frozen=True):
    """The accounts.

    Attributes
    ----------
    learned
        As ``Heard``.
    rebuilt
        By shard.
    """

    learned: int
    audit: Audit
    rebuilt: list[Rebuilt]

    @property
    def lost(self) -> int:
        """Acknowledged events that are in no log, or that their person does not have."""
        return max(self.audit.lost, self.audit.not_learned)

    @property
    def doubled(self) -> int:
        """Events that are in the logs, or that their person has, once more than acknowledged."""
        return max(self.audit.written_twice, self.audit.learned_twice)

    @property
    def bytes_equal(self) -> bool:
        """Whether each shard's state is what its log gives without a crash."""
        return bool(self.rebuilt) and not any(shard.different for shard in self.rebuilt)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled or mixed up."""
        return self.audit.clean and self.learned == self.audit.acknowledged and self.bytes_equal


async def hear(client: AsyncClient, sent: Sequence[str]) -> Heard:
    """Ask a server what it has learned of these people."""
    learned_of = {}
    for user_id in sorted(set(sent)):
        person = await client.user(user_id)
        learned_of[user_id] = 0 if person is None else person.events
    return Heard(learned(await client.stats()), learned_of)


def close_books(
    sender: Sender,
    heard: Heard,
    folders: Sequence[Path],
    settings: EngineSettings,
    *,
    alone: bool = True,
) -> Books:
    """Do the accounts.

    Parameters
    ----------
    folders
        Those of all shards, used by nobody any more.
    settings
        Those they ran with.
    alone
        Whether all feedback that the server ever got was the sender's; if not, the events of
        others, who must be other people, are left out.
    """
    sent = [Sent(event.event_id, event.user_id) for event in sender.sent]
    people = {event.user_id for event in sent}
    logs = [
        [event for event in _feedback(folder) if alone or event.user_id in people]
        for folder in folders
    ]
    return Books(
        learned=heard.learned,
        audit=audit(sent, sender.acknowledged, logs, heard.learned_of),
        rebuilt=[rebuild(folder, settings) for folder in folders],
    )


def _feedback(folder: Path) -> list[Sent]:
    """Return the feedback in a shard's log, in its order."""
    with closing(SqliteStore(folder / "log.sqlite")) as store:
        return [
            Sent(event.event_id, event.user_id)
            for _, event in store.read(after=0)
            if isinstance(event, Feedback)
        ]
