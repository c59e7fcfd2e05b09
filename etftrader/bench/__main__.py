"""Run benchmark items by name: python -m etftrader.bench [name ...] [--quick]."""

import argparse
import os
import sys

# One thread each, as in the workers; numpy reads this once, when it is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

ITEMS = ("covariance", "var", "aggregation", "metrics", "options", "database", "live", "imports")


def main(arguments: list[str] | None = None) -> int:
    """Run the items asked for; 1 when a goal is missed beyond noise or an answer disagrees."""
    from importlib import import_module

    from etftrader.bench import harness

    parser = argparse.ArgumentParser(prog="python -m etftrader.bench", description=__doc__)
    parser.add_argument("names", nargs="*", default=ITEMS, metavar="name", help=", ".join(ITEMS))
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(ITEMS)
    if unknown:
        parser.error(f"no such item: {', '.join(sorted(unknown))}")
    results: list[harness.Result] = []
    for name in options.names:
        item = import_module(f"etftrader.bench.{name}")
        sys.stdout.write(f"\n{name}: {item.__doc__.splitlines()[0]}\n{harness.HEADING}\n")
        for case in item.cases(options.quick):
            result = harness.run(case, rounds=3 if options.quick else 7)
            results.append(result)
            sys.stdout.write(f"{result.line()}\n")
            sys.stdout.flush()
    missed = [result.name for result in results if not result.holds]
    reached = sum(result.reached for result in results)
    near = len(results) - len(missed) - reached
    sys.stdout.write(f"\n{reached} of {len(results)} reached, {near} within noise")
    sys.stdout.write(f"; missed: {', '.join(missed)}\n" if missed else "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
