"""The timetable as data: step, task, New York time, what it needs."""

from typing import NamedTuple

OPENS_AT = "09:30"


class Step(NamedTuple):
    """One step of the day."""

    name: str
    task: str  # a registered Celery name
    at: str  # HH:MM in New York; the earliest start, `needs` decide the rest
    needs: tuple[str, ...] = ()  # earlier steps of the same session
    per: str = "session"  # or "portfolio"
    label: str = ""
    wants: tuple[str, ...] = ()  # earlier steps it does without, with a warning
    closed: bool = False  # portfolios that were closed take part too

    @property
    def opens(self) -> bool:
        """Whether it belongs to the morning of its session, before there are prices of it."""
        return self.at < OPENS_AT


STEPS: tuple[Step, ...] = (
    Step("actions", "marketdata.apply_actions", "06:30", label="Corporate actions"),
    Step(
        "bookings",
        "etftrader.book_actions",
        "06:35",
        ("actions",),
        "portfolio",
        "Actions in the books",
        closed=True,
    ),
    Step("prices", "marketdata.sync_prices", "16:15", label="Prices"),
    Step("rates", "marketdata.sync_rates", "16:20", label="Treasury yields"),
    Step("covariance", "risk.compute_covariance", "16:20", ("prices",), label="Covariance"),
    Step(
        "expiry",
        "trading.expire_options",
        "16:30",
        ("prices", "bookings"),
        "portfolio",
        "Option expiry",
    ),
    Step(
        "greeks",
        "marketdata.compute_greeks",
        "17:00",
        ("prices",),
        label="Greeks",
        wants=("rates",),  # yields serve for five days
    ),
    Step(
        "fills",
        "trading.fill_waiting",
        "17:05",
        ("prices",),
        label="Waiting orders",
        wants=("greeks",),  # an option's close is known with them
    ),
    Step(
        "snapshots",
        "portfolios.take_snapshots",
        "17:30",
        ("prices", "fills", "bookings"),
        "portfolio",
        "Valuation",
        wants=("greeks",),
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
    at: str = ""  # HH:MM in New York
    weekdays: str = "*"  # of a crontab: 0 is Sunday
    month_days: str = "*"  # of a crontab


TIMERS: tuple[Timer, ...] = (
    Timer("sweep", "etftrader.sweep", every_s=30),
    Timer("heartbeat", "etftrader.heartbeat", every_s=30),
    Timer("files", "marketdata.watch_files", every_s=60),
    Timer("rates", "etftrader.verify_rates", at="18:30", weekdays="1-5"),
    Timer("verify", "etftrader.verify_prices", at="18:30", weekdays="1-5"),
    Timer("backfill", "etftrader.backfill", at="08:00", weekdays="0"),
    Timer("funds", "etftrader.sync_funds", at="09:00", weekdays="0"),
    Timer("calendar", "etftrader.verify_calendar", at="05:15", month_days="1"),
    Timer("audit", "etftrader.verify_audit", at="05:30"),
    Timer("prune", "etftrader.prune", at="05:00"),
)
