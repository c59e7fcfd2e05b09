"""Seeds the demo: market history, people, books, their past, in the order the services want."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction

from etftrader import day
from etftrader.core.actor import Actor, system
from etftrader.core.errors import DomainError
from etftrader.demo import books, overlay, past
from etftrader.demo.books import BOOKS, DemoBook
from etftrader.services import acts
from marketdata.models import Instrument
from marketdata.selectors import calendar, sessions
from marketdata.services import instruments as instrument_service
from marketdata.services import price_sync, replay
from portfolios.constants import IDENTITY_TOLERANCE
from portfolios.models import Portfolio, PortfolioSnapshot, User, Watchlist
from portfolios.services import accounts, snapshots, tags, watchlists
from portfolios.services import portfolios as portfolio_service
from risk import live as risk_live
from risk.services import limits, monitor, stop_loss, var

logger = logging.getLogger(__name__)

VAR_SESSIONS = 250
BY = system("seed_demo")
Say = Callable[[str], object]


def build(*, say: Say) -> bool:
    """Seed what is missing; False when the demo already stands."""
    moment = replay.ensure()
    acts.setup_schedules()
    if User.objects.filter(is_demo=True).exists():
        _set_passwords()
        return False
    began = time.monotonic()
    start = settings.REPLAY_START
    say("loading the bundled history")
    price_sync.load_history(until=moment.session_date)
    say("making option contracts, their quotes and Greeks")
    _overlays(start)
    say("making people and books")
    users = _users()
    made = {demo.name: _book(demo, users[demo.owner], start) for demo in BOOKS}
    _lists(users, start)
    _history(made, start, say)
    say("running the day of the first session")
    day.run(session_date=start, by=BY)
    _self_check(made, start)
    say(f"demo ready in {time.monotonic() - began:.0f} s")
    return True


def reset(*, say: Say) -> None:
    """Archive the demo's books, put the clock back, and build them anew under the same people."""
    _refuse_if_others_traded()
    start = settings.REPLAY_START
    old = list(Portfolio.objects.filter(account__customer__user__is_demo=True).open())
    for portfolio in old:
        portfolio_service.archive(portfolio_id=portfolio.pk, by=BY, reason="demo started over")
    monitor.forget()
    risk_live.forget([portfolio.pk for portfolio in old])
    if sessions.moment().current != start:
        replay.start_over(by=BY)
    _overlays(start)
    users = {user.email: user for user in User.objects.filter(is_demo=True)}
    made = {demo.name: _book(demo, users[demo.owner], start) for demo in BOOKS}
    _lists(users, start)
    _history(made, start, say)
    day.run(session_date=start, by=BY, again=True)
    _self_check(made, start)


def _overlays(start: date) -> None:
    for demo in BOOKS:
        overlay.prepare(overlay.symbols(demo.options, start), start, BY)


def _users() -> dict[str, User]:
    people = {}
    for email in books.EMAILS:
        user = accounts.create_user(
            email=email,
            password=settings.DEMO_PASSWORD or None,
            name=books.NAMES[email],
            is_demo=True,
            by=BY,
        )
        people[email] = user
    admin = people["demo_admin@example.com"]
    admin.is_staff = True
    admin.save(update_fields=["is_staff"])
    admin.groups.add(*Group.objects.filter(name__in=("Operator", "Risk manager", "Admin")))
    return people


def _set_passwords() -> None:
    """The launcher's password wins over an older one."""
    if not settings.DEMO_PASSWORD:
        return
    for user in User.objects.filter(is_demo=True, email__in=books.EMAILS):
        if not user.check_password(settings.DEMO_PASSWORD):
            user.set_password(settings.DEMO_PASSWORD)
            user.save(update_fields=["password"])


@transaction.atomic
def _book(demo: DemoBook, owner: User, start: date) -> Portfolio:
    actor = Actor.of_user(owner)
    portfolio = portfolio_service.create(
        user=owner,
        name=demo.name,
        description=demo.description,
        allow_short=demo.allow_short,
        opened_on=calendar.previous(start, demo.opened_ago),
        by=actor,
    )
    fund = _private_fund(owner, start, demo) if demo.private_fund else None
    past.book(portfolio=portfolio, demo=demo, start=start, fund=fund, by=actor)
    contracts = overlay.symbols(demo.options, start)
    tagged = {**demo.tags, **dict.fromkeys(demo.option_tags, contracts)}
    for name, symbols in tagged.items():
        tags.assign_by_symbol(portfolio_id=portfolio.pk, user=owner, name=name, symbols=symbols)
    if demo.var_limit:
        limits.change(
            portfolio_id=portfolio.pk,
            measure="var",
            value=Decimal(demo.var_limit),
            unit="fraction",
            watch=0.8,
            hard=True,
            reason="The owner's choice",
            as_of=calendar.open_time(calendar.previous(start, demo.opened_ago)),
            if_match_version=None,
            by=actor,
        )
    stop_loss.set_rule(
        portfolio_id=portfolio.pk,
        enabled=demo.stops,
        mode="table",
        ratchet=True,
        if_match_version=None,
        by=actor,
    )
    return portfolio


def _private_fund(owner: User, start: date, demo: DemoBook) -> Instrument:
    symbol, name, value = books.PRIVATE_FUND
    fund = Instrument.objects.filter(symbol=symbol).first()
    if fund is None:
        fund = instrument_service.create_private(owner_id=owner.pk, symbol=symbol, name=name)
        instrument_service.value_manually(
            instrument=fund,
            session_date=calendar.previous(start, demo.opened_ago),
            price=value,
        )
    return fund


@transaction.atomic
def _lists(users: Mapping[str, User], start: date) -> None:
    """The demo's watchlists; one that stands keeps what else is on it."""
    for demo in books.WATCHLISTS:
        owner = users[demo.owner]
        actor = Actor.of_user(owner)
        row = Watchlist.objects.filter(user=owner, name=demo.name).first()
        row = row or watchlists.create(user=owner, name=demo.name, by=actor)
        watchlists.add_many(watchlist_id=row.pk, symbols=demo.symbols, session_date=start, by=actor)


def _history(made: dict[str, Portfolio], start: date, say: Say) -> None:
    """Snapshots since opening and VaR of the last 250 sessions, walked once per set of books."""
    ids: list[UUID] = [portfolio.pk for portfolio in made.values()]
    first = calendar.previous(start, max(demo.opened_ago for demo in BOOKS))
    whole = calendar.between(first, start)
    say(f"valuing {len(ids)} books over {len(whole)} sessions")
    snapshots.take_range(portfolio_ids=ids, sessions=whole)
    say(f"computing VaR over {VAR_SESSIONS} sessions")
    var.compute_range(portfolio_ids=ids, sessions=whole[-VAR_SESSIONS:])


def _self_check(made: dict[str, Portfolio], start: date) -> None:
    """Every book stands, is priced, and its identity holds; anything else stops the seeding.

    No option held has expired.
    """
    for name, portfolio in made.items():
        latest = PortfolioSnapshot.objects.get(portfolio=portfolio, session_date=start)
        if abs(latest.identity_gap) >= IDENTITY_TOLERANCE:
            raise DomainError(f"{name}: the books differ by {latest.identity_gap}.")
        if latest.positions.filter(price__isnull=True).exists():
            raise DomainError(f"{name}: a position has no price.")
        if portfolio.positions.open().filter(instrument__option__expiry__lt=start).exists():
            raise DomainError(f"{name}: an option has expired.")


def _refuse_if_others_traded() -> None:
    """Books of real people would end up in the future."""
    others = (
        Portfolio.objects.open()
        .filter(ledger_seq__gt=0)
        .exclude(account__customer__user__is_demo=True)
    )
    if others.exists():
        raise DomainError("Other people keep books here; history cannot start over under them.")
