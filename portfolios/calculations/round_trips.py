"""How closed trades went: share of winners, what they earn against what losers cost."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Figures over closed round trips; None where there is nothing to divide by."""

    win_rate: float | None
    profit_factor: float | None
    payoff_ratio: float | None
    expectancy: float | None


def round_trips(pnls: Sequence[float]) -> RoundTrips:
    """Win rate, profit factor, payoff ratio and expectancy.

    Parameters
    ----------
    pnls : sequence of float
        Net P&L of each closed round trip, dollars. Zero is neither a win nor a loss, but counts
        in the expectancy.

    Returns
    -------
    RoundTrips
        `profit_factor` and `payoff_ratio` are None without a loss (the latter without a win too).
    """
    gains = [pnl for pnl in pnls if pnl > 0.0]
    losses = [-pnl for pnl in pnls if pnl < 0.0]
    decided = len(gains) + len(losses)
    payoff = None
    if gains and losses:
        payoff = (sum(gains) / len(gains)) / (sum(losses) / len(losses))
    return RoundTrips(
        win_rate=len(gains) / decided if decided else None,
        profit_factor=sum(gains) / sum(losses) if losses else None,
        payoff_ratio=payoff,
        expectancy=sum(pnls) / len(pnls) if pnls else None,
    )
