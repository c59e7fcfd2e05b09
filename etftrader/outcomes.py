"""What a finished run leads to: alerts for those it concerns, and the risk of what it changed."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.urls import reverse

from etftrader import revision
from etftrader.core import jobs, push
from etftrader.core.jobs import WAITS
from etftrader.core.records import OPEN, JobRun
from etftrader.schedule import STEPS
from etftrader.selectors import followed
from marketdata.choices import InstrumentKind, QuarantineState
from marketdata.models import QuarantinedPrice
from marketdata.selectors import calendar, lookups, sessions
from marketdata.services import action_guards, calendar_check
from portfolios.models import Portfolio, Position
from risk.choices import AlertKind, Severity
from risk.models import Alert
from risk.selectors import var as measured
from risk.services import alerts, revaluations, var

AUDIT = "etftrader.check_audit"
DOUBTS, HELD_BACK, NAMED = "prices_held", "actions_held", 5
ACTIONS = "marketdata.apply_actions"
# what may change earlier sessions; what differs stands in the result
CHANGING = (ACTIONS, "marketdata.sync_prices", "marketdata.import_files", lookups.JOB)
DAY = "etftrader.run_day"
GREEKS, CHAINS = "marketdata.compute_greeks", "marketdata.sync_chains"
REVISED = (JobRun.Status.SUCCEEDED, JobRun.Status.PARTIAL)
RATES, MOST_SYMBOLS = "marketdata.sync_rates", 200  # named in a message; more are every one
SNAPSHOTS, RISK, LIMITS = "portfolios.take_snapshots", "risk.compute", "risk.check_limits"
LABELS = {step.task: step.label for step in STEPS} | {
    AUDIT: "Audit chain",
    calendar_check.JOB: "Exchange calendar",
    revaluations.JOB: "Closes taken again",
}
# what was found wrong in the books: the sentence people read first
FOUND = {
    "ledger_mismatch": "The books do not add up",
    "audit_broken": "The audit chain is broken",
}
# and what was found to be different, which is no failure of the books
SAID = {calendar_check.DIFFERS: "The exchange's calendar is not the one we ship"}

Problem = tuple[str, str]  # code, sentence


def heed(*, run_id: UUID) -> None:
    """Raise what a run's failures call for, resolve what it mended, measure what it changed.

    Bears being called twice. A run that was opened again meanwhile is left to its next end.
    """
    run = JobRun.objects.filter(pk=run_id).first()
    if run is None or run.status in (*OPEN, JobRun.Status.CANCELLED):
        return
    _tell(run)
    if run.job in (GREEKS, CHAINS) and run.result:
        _announce(run)
    if run.job == RATES and run.counts.get("yields"):
        _price_again(run)
    if run.job == ACTIONS:
        tell_of_actions()
    if run.job in CHANGING:
        _ask_again(run)
    if not run.step:
        _follow(run)
    elif run.job == SNAPSHOTS:
        # nights that a late booking overtook were taken again, and lost their risk
        portfolio_ids = [UUID(each) for each in run.portfolio_ids]
        var.measure_later(portfolio_ids=portfolio_ids, until=calendar.previous(run.as_of))


def follow_cancelled() -> None:
    """Follow what runs had changed before somebody cancelled them: that end is not announced."""
    left = JobRun.objects.filter(job__in=CHANGING, status=JobRun.Status.CANCELLED)
    for run in left.filter(result__has_key="changed").exclude(result__changed={}):
        _ask_again(run)


def tell_of_doubts() -> None:
    """One alert of the house while prices are held back; it says how many, and ends with them."""
    held = QuarantinedPrice.objects.filter(state=QuarantineState.HELD)
    count = held.count()
    told = Alert.objects.of_book(None).filter(key=DOUBTS).exclude(state="resolved").first()
    if not count and told is None:
        return
    moment = sessions.moment()
    if not count:
        alerts.resolve(portfolio_id=None, key=DOUBTS, as_of=moment.as_of)
        return
    names = list(held.order_by("symbol").values_list("symbol", flat=True).distinct()[: NAMED + 1])
    more = " and others" if len(names) > NAMED else ""
    detail = f"{', '.join(names[:NAMED])}{more}; the last accepted prices stay in use"
    title = f"{count} price{'' if count == 1 else 's'} held back"
    if told is not None and (told.title, told.detail) == (title, detail):
        return
    alerts.raise_once(
        portfolio_id=None,
        kind=AlertKind.DATA,
        key=DOUBTS,
        severity=Severity.WARNING,
        title=title,
        detail=detail,
        as_of=moment.as_of,
        session_date=moment.current,
    )


def tell_of_actions() -> None:
    """One alert of the house while a split and a price deny each other, with the way out."""
    moment = sessions.moment()
    held = action_guards.held(session_date=moment.current)
    told = Alert.objects.of_book(None).filter(key=HELD_BACK).exclude(state="resolved").first()
    if not held:
        if told is not None:
            alerts.resolve(portfolio_id=None, key=HELD_BACK, as_of=moment.as_of)
        return
    action, problem = held[0]
    symbols = sorted({each.instrument.symbol for each, _ in held})
    more = f" Further: {', '.join(symbols[:NAMED])}." if len(held) > 1 else ""
    detail = f"{action.instrument.symbol}, {action.ex_date}: {problem.detail}{more}"[:500]
    title = f"{len(held)} split{'' if len(held) == 1 else 's'} held back"
    if told is not None and (told.title, told.detail) == (title, detail):
        return
    alerts.raise_once(
        portfolio_id=None,
        kind=AlertKind.DATA,
        key=HELD_BACK,
        severity=Severity.WARNING,
        title=title,
        detail=detail,
        as_of=moment.as_of,
        session_date=moment.current,
    )


def _tell(run: JobRun) -> None:
    """One alert per portfolio and job while it fails; of a step of all books one, for staff."""
    if run.job not in LABELS and run.status != "dead":
        return
    bad, good = _concerned(run)
    key = f"run:{run.job}"
    as_of = sessions.moment().as_of
    for portfolio_id, (code, detail) in bad.items():
        found = code in FOUND
        grave = found or run.status == "dead" or code == revaluations.GIVEN_UP
        alerts.raise_once(
            portfolio_id=portfolio_id,
            kind=AlertKind.BOOKS if found else AlertKind.DATA,
            key=key,
            severity=Severity.CRITICAL if grave else Severity.WARNING,
            title=(FOUND | SAID).get(code, f"{LABELS.get(run.job, run.job)} failed"),
            detail=f"{detail} (session {run.as_of})",
            as_of=as_of,
            session_date=run.as_of,
        )
    # an earlier session that goes well says nothing of a later one
    mended = Alert.objects.filter(key=key, session_date__lte=run.as_of).exclude(state="resolved")
    for portfolio_id in mended.values_list("portfolio_id", flat=True):
        if portfolio_id not in bad and (good is None or portfolio_id in good):
            alerts.resolve(portfolio_id=portfolio_id, key=key, as_of=as_of)


def _concerned(run: JobRun) -> tuple[Mapping[UUID | None, Problem], Collection[UUID | None] | None]:
    """Portfolios it failed for, each with its problem, and those it went well for (None: all).

    No portfolio stands for the house: what failed concerns every book, and no owner can mend it.

    A portfolio that only waits for an earlier step is neither: that step has told already.
    """
    failed = {
        UUID(each["item"]): _problem(each.get("reason"))
        for each in run.items
        if each["status"] == "failed" and _is_portfolio(each["item"])
    }
    bad = {key: problem for key, problem in failed.items() if problem[0] != WAITS}
    if run.portfolio_ids:
        asked = {UUID(each) for each in run.portfolio_ids}
        if run.status in ("failed", "dead") and not run.items:
            problem = _problem(run.error)
            return ({} if problem[0] == WAITS else dict.fromkeys(asked, problem)), set()
        known = Portfolio.objects.filter(pk__in=bad).values_list("pk", flat=True)
        return {key: bad[key] for key in known}, asked - set(failed)
    if run.job == revaluations.JOB and (bad or run.status in REVISED):
        known = Portfolio.objects.filter(pk__in=bad).values_list("pk", flat=True)
        return {key: bad[key] for key in known}, {None, *_went_well(run)}
    if run.status not in ("failed", "dead"):
        return {}, None
    if run.job == AUDIT:
        known = Portfolio.objects.filter(pk__in=bad).values_list("pk", flat=True)
        return {key: bad[key] for key in known}, None
    problem = _problem(run.error or next((each.get("reason") for each in run.items), None))
    if problem[0] == WAITS or run.job not in LABELS:
        return {}, set()
    return {None: problem}, set()


def _went_well(run: JobRun) -> set[UUID]:
    items = {each["item"] for each in run.items if each["status"] == "ok"}
    return {UUID(item) for item in items if _is_portfolio(item)}


def _problem(reason: Any) -> Problem:
    if isinstance(reason, dict):
        return str(reason.get("code", "")), str(reason.get("detail", ""))
    return "", str(reason or "")


def _is_portfolio(item: str) -> bool:
    try:
        UUID(item)
    except ValueError:
        return False
    return True


def _announce(run: JobRun) -> None:
    """Open pages of chains and Greeks draw themselves anew."""
    priced = [each["item"] for each in run.items if each["status"] != "failed"]
    told = {"session_date": run.as_of.isoformat()}
    symbols = priced if len(priced) <= MOST_SYMBOLS else None
    push.publish("greeks", "greeks.updated", {**told, "symbols": symbols})
    held = Position.objects.open().filter(instrument__kind=InstrumentKind.OPTION)
    if run.job == CHAINS:
        held = held.filter(instrument__option__underlying__symbol__in=priced)
    for portfolio_id in held.values_list("portfolio_id", flat=True).distinct():
        url = reverse("greeks", args=[portfolio_id])
        push.publish(f"portfolio.{portfolio_id}.analytics", "greeks.updated", {**told, "url": url})


def _price_again(run: JobRun) -> None:
    """Yields that came after the session's Greeks were computed: those and what they value."""
    late = JobRun.objects.filter(
        job=GREEKS, step="greeks", as_of=run.as_of, scope=run.scope, started_at__lt=run.finished_at
    )
    if run.as_of == sessions.latest() and late.exclude(status__in=OPEN).exists():
        jobs.request(DAY, as_of=run.as_of, inputs={"steps": ["greeks", "snapshots"]})


def _follow(run: JobRun) -> None:
    """Snapshots on demand are followed by their risk, and that by the limits of now.

    A range takes the closes behind it again too. A newest close of which only money is another
    one keeps its risk: its limits are compared at once.
    """
    portfolio_ids = [UUID(each) for each in run.portfolio_ids]
    latest = sessions.latest()
    if run.job == SNAPSHOTS:
        start = date.fromisoformat(run.inputs.get("start") or str(run.as_of))
        var.measure_later(
            portfolio_ids=portfolio_ids, start=start, until=run.as_of, lost_until=latest
        )
    if run.job in (SNAPSHOTS, revaluations.JOB):
        among = portfolio_ids if run.job == SNAPSHOTS else None
        revised = measured.revised(session_date=latest, since=run.created_at, among=among)
        _compare(revised, latest, run)
    if run.job == RISK and run.as_of == latest and run.status in ("succeeded", "partial"):
        _compare(portfolio_ids, latest, run)


def _compare(portfolio_ids: Collection[UUID], latest: date, run: JobRun) -> None:
    """Request the limits of the newest close; a comparison that works may have passed the run."""
    if portfolio_ids:
        jobs.request(
            LIMITS,
            as_of=latest,
            portfolio_ids=sorted(portfolio_ids),
            inputs={"after": str(run.pk)},
            requested_by=run.requested_by,
        )


def _ask_again(run: JobRun) -> None:
    """Ask for the books since a run's changes to be valued again; nothing where it made none.

    What an attempt that broke off had changed by then is followed too.
    """
    told = run.result.get("changed") or {}
    since = {symbol: date.fromisoformat(first) for symbol, first in told.items()}
    if run.step:
        # its own session is valued by the steps after it
        since = {symbol: first for symbol, first in since.items() if first < run.as_of}
    if since and run.job == ACTIONS:
        # a revision begins with this step, and does not ask for itself
        own = _revisions_around(run)
        since = {each: first for each, first in since.items() if not _covers(own, each, first)}
    if since and run.job == lookups.JOB and not followed.touched(since):
        since = {}  # most of what is looked up nobody holds yet
    if since:
        revision.ask(changed=since)
    if told:
        # once; what an attempt that began meanwhile changes is followed at its end
        same = {"pk": run.pk, "status": run.status, "attempt": run.attempt}
        JobRun.objects.filter(**same, result__changed=told).update(
            result={**run.result, "changed": {}, "followed": told}
        )


def _revisions_around(run: JobRun) -> list[Mapping[str, str]]:
    """What the revisions were asked for in whose course a run was done: symbol -> since when."""
    if run.started_at is None or run.finished_at is None:
        return []
    around = JobRun.objects.filter(
        Q(status=JobRun.Status.RUNNING) | Q(status__in=REVISED, finished_at__gte=run.finished_at),
        job=revision.JOB,
        as_of=run.as_of,
        started_at__lte=run.started_at,
    )
    return [inputs.get("changed", {}) for inputs in around.values_list("inputs", flat=True)]


def _covers(asked: Iterable[Mapping[str, str]], symbol: str, first: date) -> bool:
    """Whether one of these values a symbol again from a session on."""
    days = [told[name] for told in asked for name in (symbol, "*") if name in told]
    return bool(days) and date.fromisoformat(min(days)) <= first
