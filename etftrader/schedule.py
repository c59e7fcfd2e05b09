"""The timetable as data: step, task, New York time, what it needs."""

from typing import NamedTuple


class Step(NamedTuple):
    """One step of the day."""

    name: str
    task: str  # a registered Celery name
    at: str  # HH:MM in New York; the earliest start, `needs` decide the rest
    needs: tuple[str, ...] = ()  # earlier steps of the same session
    per: str = "session"  # or "portfolio"
    label: str = ""


STEPS: tuple[Step, ...] = (
    Step("prices", "marketdata.sync_prices", "16:15", label="Prices and yields"),
    Step("covariance", "risk.compute_covariance", "16:20", ("prices",), label="Covariance"),
    Step("fills", "trading.fill_waiting", "16:25", ("prices",), label="Waiting orders"),
    Step(
        "snapshots",
        "portfolios.take_snapshots",
        "17:30",
        ("prices", "fills"),
        "portfolio",
        "Valuation",
    ),
    Step("risk", "risk.compute", "17:35", ("covariance", "snapshots"), "portfolio", "VaR"),
    Step("limits", "risk.check_limits", "17:40", ("risk",), "portfolio", "Limits and stops"),
    Step("books", "portfolios.check_books", "17:45", ("snapshots",), "portfolio", "Ledger check"),
)

STEP = {step.name: step for step in STEPS}


class Timer(NamedTuple):
    """Something Beat does by the clock, whatever the market does."""

    name: str
    task: str
    every_s: int = 0  # or
    at: str = ""  # HH:MM in New York, daily


TIMERS: tuple[Timer, ...] = (
    Timer("sweep", "etftrader.sweep", every_s=30),
    Timer("heartbeat", "etftrader.heartbeat", every_s=30),
    Timer("audit", "etftrader.verify_audit", at="05:30"),
    Timer("prune", "etftrader.prune", at="05:00"),
)
