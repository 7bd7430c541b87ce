"""The engine as it is, with one part of it switched off at a time, and with what is off by default.

Where a variant adds something (``sessions``, ``popular_attributes``, ``user_model``) or does
something in another way (``vw``, ``by-item``, ``unstratified``), "hurts" says that the variant is
better than the default.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, get_args

from recsys.features.columns import Family
from recsys.settings import EngineSettings, Ranker, SourceName

__all__ = ["DEFAULT", "VARIANTS", "Variant"]

DEFAULT: Final = "default"
_OFF: Final = EngineSettings().candidates.without
Document = dict[str, dict[str, object]]
"""What of the sections of the settings becomes something else."""


class Variant(NamedTuple):
    """One change of the settings.

    Attributes
    ----------
    change
        From the settings that are measured to what of them is replaced.
    ranker
        What the learner's arm ranks by.
    """

    change: Callable[[EngineSettings], Document]
    ranker: Ranker = "learner"

    def settings(self, base: EngineSettings) -> EngineSettings:
        """Return the changed settings.

        Raises
        ------
        ValueError
            When the part cannot be taken from these settings.
        """
        document = base.model_dump(mode="json")
        for section, changes in self.change(base).items():
            document[section].update(changes)
        for arm in document["arms"].values():
            if arm["ranker"] == "learner":
                arm["ranker"] = self.ranker
        return EngineSettings.model_validate(document)


def _without_source(name: SourceName) -> Variant:
    return Variant(lambda base: {"candidates": {"without": [*base.candidates.without, name]}})


def _with_source(name: SourceName) -> Variant:
    return Variant(
        lambda base: {
            "candidates": {"without": [off for off in base.candidates.without if off != name]}
        }
    )


def _without_family(name: Family) -> Variant:
    return Variant(lambda base: {"features": {"without": [*base.features.without, name]}})


def _without_bandit(base: EngineSettings) -> Document:
    bandit = base.learners.personal_bandit.model_copy(update={"enabled": False})
    return {"learners": {"personal_bandit": bandit.model_dump(mode="json")}}


def _with_user_model(base: EngineSettings) -> Document:
    model = base.learners.user_model.model_copy(update={"enabled": True})
    return {"learners": {"user_model": model.model_dump(mode="json")}}


VARIANTS: Final[dict[str, Variant]] = {
    DEFAULT: Variant(lambda _: {}),
    **{f"no-{name}": _without_source(name) for name in get_args(SourceName) if name not in _OFF},
    **{f"no-{name}": _without_family(name) for name in get_args(Family)},
    "no-personal_bandit": Variant(_without_bandit),
    "no-replays": Variant(lambda _: {"memory": {"replays": 0}}),
    "by-item": Variant(lambda _: {"memory": {"stratify": "item"}}),
    "unstratified": Variant(lambda _: {"memory": {"stratify": "none"}}),
    **{name: _with_source(name) for name in _OFF},
    "user_model": Variant(_with_user_model),
    "mix": Variant(lambda _: {}, ranker="mix"),
    "vw": Variant(lambda _: {"learners": {"ranker": "vw"}}),
    "ftrl": Variant(lambda _: {"learners": {"ranker": "ftrl"}}),
}
"""By name. ``mix`` has no ranker; those of ``vw`` and ``ftrl`` learn from what was shown, and are
the mix where nothing was. ``by-item`` and ``unstratified`` divide the replay buffer by items, or
not at all; ``user_model`` gives every person the River estimator of the settings."""
