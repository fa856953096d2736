"""``python -m tegar.sim.ha --seeds N --seed K --jobs J``: run seeds, or tell one's story."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tegar.sim.ha.chaos import broken, run_seed
from tegar.sim.ha.cloud_chaos import broken_clouds, run_cloud
from tegar.sim.ha.engine import Violation

CHUNK = 50
Broken = Callable[[int, int], list[tuple[int, str]]]


def main(argv: list[str]) -> int:
    """Run; the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="./dev sim", description="high availability, simulated")
    parser.add_argument("--seeds", type=int, default=0, help="run that many, from --seed on")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; alone: tell its story")
    parser.add_argument("--cloud", action="store_true", help="real sagas on a real database: slower")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes to run them in")
    args = parser.parse_args(argv)
    if not args.seeds:
        return tell(args.seed, cloud=args.cloud)
    began_s = time.monotonic()
    failed = []
    run = broken_clouds if args.cloud else broken
    for seed, says in many(run, range(args.seed, args.seed + args.seeds), args.jobs):
        failed.append(seed)
        print(f"seed {seed}: {says}", flush=True)
    seconds = time.monotonic() - began_s
    figures = {
        "seeds": args.seeds,
        "first": args.seed,
        "violations": len(failed),
        "first_broken": failed[:20],
    }
    print(json.dumps(figures | {"seconds": round(seconds, 1), "seeds_per_s": round(args.seeds / seconds, 1)}))
    return 1 if failed else 0


def many(run: Broken, seeds: range, jobs: int) -> Iterator[tuple[int, str]]:
    """Give the seeds that break an invariant, in order, and what they say, however many processes run."""
    firsts = range(seeds.start, seeds.stop, CHUNK)
    chunk = partial(_chunk, run, seeds.stop)
    if jobs <= 1:
        for first in firsts:
            yield from chunk(first)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for found in pool.map(chunk, firsts):
            yield from found


def _chunk(run: Broken, stop: int, first: int) -> list[tuple[int, str]]:
    return run(first, min(CHUNK, stop - first))


def tell(seed: int, *, cloud: bool) -> int:
    """Print the story of one seed."""
    try:
        print("\n".join(run_cloud(seed) if cloud else run_seed(seed).engine.story))
    except Violation as e:
        print(e)
        return 1
    print(f"seed {seed}: no invariant broke")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
