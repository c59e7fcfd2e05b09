"""What no linter sees: keys, captions, doors, locks, the timetable, the admin, what starts."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Group
from django.db import connection, models
from django.test import RequestFactory

from etftrader.admin import JobRunAdmin
from etftrader.celery import app as celery_app
from etftrader.core.records import JobRun
from etftrader.core.triggers import trigger_name
from etftrader.schedule import STEPS, TIMERS
from portfolios.models import User

FLOORS = ["marketdata", "portfolios", "factors", "risk", "trading", "etftrader"]
ROOT = Path(__file__).resolve().parents[2]
DOORS = {"api", "views", "views.py", "forms", "forms.py", "consumers.py", "admin.py", "hub.py"}
MAY_LOCK = {"portfolios/services/locking.py"}
MOST_LINES = 400
HEAVY = (
    "pandas",
    "scipy.stats",
    "statsmodels",
    "sklearn",
    "mibian",
    "yfinance",
    "exchange_calendars",
)
# the admin cannot address rows by two columns: bars are shown inside their instrument, yields
# on no page of the admin
COMPOSITE = {
    "marketdata.DailyBar",
    "marketdata.MinuteBar",
    "marketdata.Tick",
    "marketdata.TreasuryYield",
}
APPEND_ONLY = (
    "etftrader_auditevent",
    "portfolios_ledgerentry",
    "portfolios_cashtransaction",
    "portfolios_transfer",
    "risk_limitbreach",
    "risk_stopevent",
    "risk_pretradecheck",
    "trading_basket",
    "trading_orderevent",
    "trading_trade",
)
UNFINISHED = ("TO" + "DO", "FIX" + "ME")
FILES = {
    str(path.relative_to(ROOT)): path.read_text()
    for floor in FLOORS
    for path in sorted((ROOT / floor).rglob("*.py"))
    if not {"tests", "migrations"} & set(path.relative_to(ROOT).parts)
}
OURS = [model for model in apps.get_models() if model._meta.app_label in FLOORS]


def crossing_keys() -> Iterator[models.Field]:
    """Every key of ours that points into another of our apps."""
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.get_fields():
            target: Any = getattr(field, "related_model", None)
            if not (field.concrete and target) or model._meta.app_label not in FLOORS:
                continue
            if target._meta.app_label in {*FLOORS} - {model._meta.app_label}:
                yield field


def names_of(tree: ast.AST, attribute: str) -> list[ast.Attribute]:
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return [node for node in found if node.attr == attribute]


def test_the_house_has_files_keys_and_tables_to_look_at() -> None:
    assert len(FILES) > 250
    assert len(list(crossing_keys())) > 10
    assert len(OURS) > 30


@pytest.mark.parametrize("field", list(crossing_keys()), ids=str)
def test_a_key_to_another_floor_looks_down_and_leaves_no_way_back(field: Any) -> None:
    here, there = field.model._meta.app_label, field.related_model._meta.app_label

    assert FLOORS.index(there) < FLOORS.index(here)
    assert field.remote_field.hidden, "say related_name='+': the lower floor knows no upper one"


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_short_and_says_what_it_is(name: str) -> None:
    text = FILES[name]

    assert text.count("\n") <= MOST_LINES, "split it by noun"
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "it begins with its caption"


@pytest.mark.parametrize("name", [name for name in FILES if DOORS & set(Path(name).parts[1:])])
def test_a_door_gets_its_rows_through_the_asker(name: str) -> None:
    """An empty queryset reads no row: the API's description needs it to know the model."""
    tree = ast.parse(FILES[name])
    scoped = {id(node.value) for word in ("for_actor", "none") for node in names_of(tree, word)}
    bare = [node.lineno for node in names_of(tree, "objects") if id(node) not in scoped]

    assert bare == [], "write Model.objects.for_actor(actor, action), or ask a selector"


def test_browser_tests_are_told_by_their_file_names() -> None:
    # a run of the browser tests reads no other file
    found = {path for floor in FLOORS for path in (ROOT / floor).rglob("test_*.py")}
    marked = {path.name for path in found if "pytest.mark." + "browser" in path.read_text()}

    assert marked == {path.name for path in found if path.name.startswith("test_browser")}


def test_rows_are_locked_in_one_place() -> None:
    locking = {name for name, text in FILES.items() if "select_for_update(" in text}

    assert locking == MAY_LOCK


@pytest.mark.parametrize("entry", [*STEPS, *TIMERS], ids=lambda entry: entry.name)
def test_what_the_timetable_names_is_a_registered_task(entry: Any) -> None:
    celery_app.loader.import_default_modules()

    assert entry.task in celery_app.tasks


def test_a_step_needs_earlier_steps_only() -> None:
    seen: set[str] = set()
    for step in STEPS:
        assert set(step.needs) <= seen, step.name
        assert step.name not in seen
        seen.add(step.name)


def test_the_steps_stand_in_the_order_of_their_times() -> None:
    assert [step.at for step in STEPS] == sorted(step.at for step in STEPS)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_every_table_is_in_the_admin_but_those_with_composite_keys(model: Any) -> None:
    admin.autodiscover()

    assert admin.site.is_registered(model) is (model._meta.label not in COMPOSITE)
    assert (len(model._meta.pk_fields) > 1) is (model._meta.label in COMPOSITE)


def test_a_web_process_starts_without_the_heavy_libraries(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    script = (
        "import sys, django; django.setup(); import etftrader.asgi, etftrader.urls; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    given = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=given
        | {
            "DJANGO_SETTINGS_MODULE": "etftrader.settings",
            "ETF_EMBEDDED": "1",
            "ETF_VAR": str(tmp_path),
            "SECRET_KEY": "house-" + "q7" * 24,
            "OPENBLAS_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.django_db
@pytest.mark.parametrize("act", ["update", "delete"])
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_an_append_only_table_has_its_guards_in_the_database(table: str, act: str) -> None:
    if connection.vendor == "sqlite":
        asked = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name = %s"
    else:
        asked = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname = %s"
    with connection.cursor() as cursor:
        cursor.execute(asked, [trigger_name(table, act)])
        assert cursor.fetchone()[0] == 1


def test_every_table_that_calls_itself_append_only_is_listed_here() -> None:
    said = {
        model._meta.db_table
        for model in OURS
        if "append-only" in (model.__doc__ or "").lower().replace("append only", "append-only")
    }

    assert said <= set(APPEND_ONLY)
    assert set(APPEND_ONLY) <= {model._meta.db_table for model in OURS}


def test_no_file_of_the_product_is_marked_unfinished() -> None:
    kinds = {".py", ".html", ".js", ".css", ".toml", ".md", ".yml"}
    unfinished = [
        str(path.relative_to(ROOT))
        for folder in (*FLOORS, "templates", "static")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in kinds and any(word in path.read_text() for word in UNFINISHED)
    ]

    assert unfinished == []


@pytest.mark.django_db
@pytest.mark.parametrize(("group", "offered"), [("Operator", True), ("Viewer", False)])
def test_only_operators_are_offered_to_run_a_job_again(group: str, offered: bool) -> None:
    user = User.objects.create_user("staff@example.com", "long-enough-words", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    request = RequestFactory().get("/admin/etftrader/jobrun/")
    request.user = user

    shown = JobRunAdmin(JobRun, admin.site).get_actions(request)

    assert ("run_again" in shown) is offered


def test_nobody_writes_what_the_house_wrote() -> None:
    admin.autodiscover()
    request = RequestFactory().get("/admin/")
    request.user = AnonymousUser()
    for name in ("JobRun", "OutboxEvent", "IdempotencyKey", "AuditEvent"):
        shown = admin.site.get_model_admin(apps.get_model("etftrader", name))
        assert not shown.has_add_permission(request)
        assert not shown.has_change_permission(request)
        assert not shown.has_delete_permission(request)
