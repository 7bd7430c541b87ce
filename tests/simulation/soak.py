"""Lives through many worlds: ``python -m tests.simulation.soak --seeds 2000 --first 0``.

Tells every seed that failed, what happened in all of them together, and in its last line, as JSON,
how many there were and how many failed. Ends with 1 when one did. A seed that failed does so again
with ``--seeds 1 --first SEED``.
"""

import argparse
import json
import sys
from collections import Counter

from recsys.engine import Engine
from tests.simulation.world import simulate
from tests.tiny import RANKERS

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="soak-sim", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    asked = parser.parse_args(arguments)
    for settings in RANKERS.values():
        Engine.warm_up(settings)
    failures, tally = 0, Counter[str]()
    for seed in range(asked.first, asked.first + asked.seeds):
        verdict = simulate(seed)
        tally += verdict.tally
        if verdict.wrong:
            failures += 1
            sys.stdout.write(f"seed {seed} (trace {verdict.trace}): {verdict.wrong}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{', '.join(f'{count} {what}' for what, count in tally.most_common())}\n")
    sys.stdout.write(json.dumps({"seeds": asked.seeds, "failures": failures}) + "\n")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
