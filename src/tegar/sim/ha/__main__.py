"""``python -m tegar.sim.ha --seeds N --seed K``: run seeds, or tell one's story."""

from __future__ import annotations

import argparse
import json
import sys
import time

from tegar.sim.ha.chaos import run_seed
from tegar.sim.ha.engine import Violation


def main(argv: list[str]) -> int:
    """Run; the last line is one JSON object."""
    parser = argparse.ArgumentParser(
        prog="python -m tegar.sim.ha", description="high availability, simulated"
    )
    parser.add_argument("--seeds", type=int, default=0, help="run that many, from --seed on")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; alone: tell its story")
    args = parser.parse_args(argv)
    if not args.seeds:
        return tell(args.seed)
    began_s = time.monotonic()
    broken = []
    for seed in range(args.seed, args.seed + args.seeds):
        try:
            run_seed(seed)
        except Violation as e:
            broken.append(seed)
            print(str(e).splitlines()[0], flush=True)
    seconds = time.monotonic() - began_s
    figures = {"seeds": args.seeds, "violations": len(broken), "first_broken": broken[:20]}
    print(json.dumps(figures | {"seconds": round(seconds, 1), "seeds_per_s": round(args.seeds / seconds, 1)}))
    return 1 if broken else 0


def tell(seed: int) -> int:
    """Print the story of one seed."""
    try:
        print("\n".join(run_seed(seed).engine.story))
    except Violation as e:
        print(e)
        return 1
    print(f"seed {seed}: no invariant broke")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
