"""One tick of an EWMA covariance: the plain formula against the triangle kept in place.

Peer: numpy, lam * S + (1 - lam) * outer(r, r), as the formula says. Ours: the product's
EwmaMatrix, one tick at a time (update), and as the live stream uses it (record, in batches).

The peer makes matrices and drops them, so at 500 names its time hangs on the allocator: in a fresh
process every one is paged in anew, in one that once freed something larger it is not. The goals are
held against the first; the second is shown beside it, with what a sweep of the triangle can reach.
"""

from collections.abc import Callable, Iterator

import numpy as np

from etftrader.bench.harness import Case, Growth, Side
from marketdata.calculations.covariance import BATCH, EwmaMatrix

DECAY = 0.94
# size: goal per tick, goal in batches, goal for recording alone
GOALS = {5: (1, 1, 1), 500: (25, 120, 300), 5000: (12, 120, 20_000)}
WARM_SIZE, WARM_GOALS = 500, (8, 35, 300)
LARGEST_KEPT = 30_000_000  # bytes; glibc pages in anew whatever is larger than 32 MB
WAITING = 64


def cases(quick: bool) -> Iterator[Case | Growth]:
    """Cases by size; a quick run leaves out the 5,000 names."""
    recorders = []
    sizes = [size for size in GOALS if not (quick and size > 500)]
    for size in sizes:
        yield from _at(size, GOALS[size])
        recorders.append((size, Side(_recorder(size))))
    yield Growth(
        f"record one tick, N={sizes[0]} to {sizes[-1]}: linear at most",
        sizes,
        [side for _, side in recorders],
        sizes[-1] / sizes[0],
    )
    np.empty(LARGEST_KEPT, dtype=np.int8)
    yield from _at(WARM_SIZE, WARM_GOALS, ", allocator warm")


def _at(size: int, goals: tuple[float, float, float], note: str = "") -> Iterator[Case]:
    rng = np.random.default_rng(3)
    rows = rng.normal(0.0, 0.01, (60, size))
    start = rows.T @ rows / 60.0
    returns = rng.normal(0.0, 0.01, size)
    state = [start.copy()]

    def peer() -> None:
        state[0] = DECAY * state[0] + (1.0 - DECAY) * np.outer(returns, returns)

    def agree(ours: EwmaMatrix, ticks: int, step: str) -> float:
        plain = start.copy()
        for _ in range(ticks):
            plain = DECAY * plain + (1.0 - DECAY) * np.outer(returns, returns)
            getattr(ours, step)(returns)
        return float(np.abs(ours.matrix() - plain).max() / np.abs(plain).max())

    per_tick, batched = EwmaMatrix(start, DECAY), EwmaMatrix(start, DECAY)

    def batch() -> None:
        for _ in range(BATCH):
            batched.record(returns)

    one, many, record = goals
    yield Case(
        f"EWMA tick, N={size}, at once{note}",
        Side(peer),
        Side(lambda: per_tick.update(returns)),
        one,
        lambda: agree(per_tick, 3, "update"),
        1e-12,
    )
    yield Case(
        f"EWMA tick, N={size}, every {BATCH}{note}",
        Side(peer),
        Side(batch, BATCH),
        many,
        lambda: agree(batched, BATCH + 3, "record"),
        1e-12,
    )
    yield Case(
        f"EWMA tick, N={size}, recorded{note}",
        Side(peer),
        Side(_recorder(size)),
        record,
        lambda: 0.0,
        0.0,
    )


def _recorder(size: int) -> Callable[[], None]:
    """Record ticks and forget them before they settle: the O(N) part of a tick alone."""
    matrix, returns = EwmaMatrix(np.eye(size), DECAY, batch=WAITING), np.full(size, 0.01)

    def record() -> None:
        if matrix._waiting == WAITING - 1:
            matrix._waiting = 0
        matrix.record(returns)

    return record
