"""T-36: dangerous calls and broken house rules, looked for in the whole product tree.

Seeded faults it must catch: pickle cache, naive datetime, raw HTTP call, unscoped queryset, and
the snippets below, one for each way to break a rule.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from etftrader.testing import rules

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("etftrader", "trading", "risk", "factors", "portfolios", "marketdata")
FILES = rules.product_files(ROOT, FLOORS)
TEMPLATES = [
    path
    for folder in (ROOT / "templates", *(ROOT / floor for floor in FLOORS))
    for path in sorted(folder.rglob("*"))
    if path.suffix in {".html", ".svg", ".txt"} and "templates" in path.parts
]
MOST_SUPPRESSED = 5
# every "nosec" of the product, with its reason
SUPPRESSED = {
    ("marketdata/services/bar_store.py", "B608"): "column names of ours; values are parameters",
    ("portfolios/services/import_store.py", "B608"): "column names of ours; values are parameters",
}
# the places that may break a rule of the house, with their reasons
JUSTIFIED = {
    ("ordering", "etftrader/core/api/lists.py"): "the allow-list of columns itself",
    ("built_sql", "etftrader/core/triggers.py"): "DDL takes no parameters; tables of migrations",
    ("built_sql", "marketdata/services/bar_store.py"): "column names of ours",
    ("built_sql", "portfolios/services/import_store.py"): "column names of ours",
    ("transactions", "etftrader/bench/imports.py"): "the peer that is measured stores by itself",
    ("unscoped", "etftrader/gate.py"): "finds who is asking, by their own session or ticket",
    ("transactions", "portfolios/selectors/access.py"): "a look by staff leaves its audit line",
    ("outbound", "etftrader/deploy/probe.py"): "asks the process beside it, on loopback",
    ("outbound", "etftrader/deploy/runner.py"): "waits for its own web process, on loopback",
}
DOOR = "portfolios/api/things.py"
INSIDE = "portfolios/selectors/things.py"
SEEDED: list[tuple[str, str, str]] = [
    ("keywords", INSIDE, "def f(request): return M.objects.filter(**request.GET.dict())"),
    ("keywords", INSIDE, "def f(self):\n a = self.request.data\n return q.exclude(**a)"),
    ("keywords", INSIDE, "def f(request):\n n = request.GET['n']\n return q.filter(**{n: 1})"),
    ("keywords", INSIDE, "def f(s):\n return q.annotate(**{**s.validated_data})"),
    ("keywords", INSIDE, "def f(form):\n a = dict(form.cleaned_data)\n return q.alias(**a)"),
    ("ordering", INSIDE, "def f(request): return q.order_by(request.GET['sort'])"),
    ("ordering", INSIDE, "def f(r):\n by = r.query_params.get('o')\n return q.order_by(f'-{by}')"),
    ("ordering", INSIDE, "def f(r):\n by = r.GET.getlist('o')\n return q.order_by(*by)"),
    ("unescaped", INSIDE, "def f(text): return mark_safe(text)"),
    ("unescaped", INSIDE, "def f(text): return safestring.SafeString(text)"),
    ("unescaped", INSIDE, "def f(text): return format_html(text)"),
    ("unescaped", INSIDE, "def f(text): return format_html(f'<b>{text}</b>')"),
    ("unescaped", INSIDE, "engine = Engine(autoescape=False)"),
    ("unescaped", INSIDE, "TEMPLATES = [{'OPTIONS': {'autoescape': False}}]"),
    ("code_from_data", INSIDE, "import pickle"),
    ("code_from_data", INSIDE, "from marshal import loads"),
    ("code_from_data", INSIDE, "import joblib"),
    ("code_from_data", INSIDE, "def f(text): return yaml.load(text)"),
    ("code_from_data", INSIDE, "def f(text): return eval(text)"),
    ("code_from_data", INSIDE, "def f(text): exec(text)"),
    ("code_from_data", INSIDE, "def f(text): subprocess.run(text, shell=True)"),
    ("code_from_data", INSIDE, "def f(file): return np.load(file, allow_pickle=True)"),
    ("code_from_data", INSIDE, "def f(text): os.system(text)"),
    ("built_sql", INSIDE, "def f(c, n): c.execute(f'SELECT * FROM t WHERE n = {n}')"),
    ("built_sql", INSIDE, "def f(c, n): c.execute('SELECT * FROM t WHERE n = %s' % n)"),
    ("built_sql", INSIDE, "def f(c, n): c.execute('SELECT * FROM {}'.format(n))"),
    ("built_sql", INSIDE, "def f(c, n): c.execute('SELECT ' + n)"),
    ("built_sql", INSIDE, "def f(c, n):\n text = f'SELECT {n}'\n c.execute(text)"),
    ("built_sql", INSIDE, "def g(n): return f'SELECT {n}'\ndef f(c, n): c.execute(g(n))"),
    ("built_sql", INSIDE, "def f(n): return M.objects.raw(f'SELECT {n}')"),
    ("built_sql", INSIDE, "def f(n): return q.annotate(a=RawSQL('SELECT ' + n, []))"),
    ("unscoped", DOOR, "def f(pk): return Portfolio.objects.get(pk=pk)"),
    ("unscoped", DOOR, "def f(pk): return models.Portfolio.objects.filter(pk=pk).first()"),
    ("unscoped", DOOR, "def f(pk): return get_object_or_404(Portfolio, pk=pk)"),
    ("unscoped", "trading/admin.py", "def f(): return Order._base_manager.all()"),
    ("naive_time", INSIDE, "def f(): return datetime.now()"),
    ("naive_time", INSIDE, "def f(): return datetime.datetime.utcnow()"),
    ("naive_time", INSIDE, "def f(): return date.today()"),
    ("naive_time", INSIDE, "def f(seconds): return datetime.fromtimestamp(seconds)"),
    ("transactions", DOOR, "def f():\n with transaction.atomic():\n  pass"),
    ("transactions", INSIDE, "@transaction.atomic\ndef f(): pass"),
    ("transactions", DOOR, "from django.db.transaction import atomic"),
    ("outbound", INSIDE, "import requests"),
    ("outbound", INSIDE, "from urllib.request import urlopen"),
    ("outbound", INSIDE, "from urllib import request"),
    ("outbound", INSIDE, "import httpx"),
    ("outbound", "marketdata/providers/yahoo.py", "from curl_cffi import requests"),
    ("float_money", INSIDE, "amount = Decimal(0.1)"),
    ("float_money", INSIDE, "def f(price: float): return Decimal(price)"),
    ("float_money", INSIDE, "def f(text): return Decimal(float(text))"),
    ("float_money", INSIDE, "def f(price: float): return Decimal(-price * 2)"),
]
HARMLESS: list[tuple[str, str, str]] = [
    ("keywords", INSIDE, "def f(request): return q.filter(**{'symbol': request.GET['s']})"),
    ("keywords", INSIDE, "def f(self): return q.filter(**{f'{self.path}_id': 1})"),
    ("ordering", INSIDE, "def f(request): return q.filter(s=request.GET['s']).order_by('pk')"),
    ("unescaped", INSIDE, "def f(text): return format_html('<b>{}</b>', text)"),
    ("code_from_data", INSIDE, "def f(file): return np.load(file, allow_pickle=False)"),
    ("built_sql", INSIDE, "def f(c, n): c.execute('SELECT * FROM t WHERE n = %s', [n])"),
    ("unscoped", DOOR, "def f(a, pk): return Portfolio.objects.for_actor(a).get(pk=pk)"),
    ("unscoped", INSIDE, "def f(pk): return Portfolio.objects.get(pk=pk)"),
    ("naive_time", INSIDE, "def f(): return datetime.now(UTC)"),
    ("transactions", "portfolios/services/things.py", "@transaction.atomic\ndef f(): pass"),
    ("outbound", "etftrader/core/outbound.py", "import requests"),
    ("outbound", INSIDE, "from urllib.parse import urlsplit"),
    ("float_money", INSIDE, "def f(price: float): return Decimal(str(price))"),
]
RULES = {rule.name: rule for rule in rules.RULES}
DANGEROUS = """import hashlib, subprocess
def f(text):
    subprocess.run(text, shell=True)
    return hashlib.md5(text).hexdigest(), eval(text)
"""


def bandit(*paths: str) -> dict[str, object]:
    """What bandit finds of medium severity and above, as it says it."""
    done = subprocess.run(
        [sys.executable, "-m", "bandit", "-q", "-ll", "-f", "json", *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_there_are_files_and_templates_to_look_at() -> None:
    assert len(FILES) > 300
    assert len(TEMPLATES) > 80
    assert set(RULES) == {name for name, _, _ in SEEDED} == {name for name, _, _ in HARMLESS}


def test_bandit_finds_nothing_of_medium_or_high_severity() -> None:
    found = bandit(*FILES)

    assert found["errors"] == []
    assert [
        f"{each['filename']}:{each['line_number']} {each['test_id']}" for each in found["results"]
    ] == []
    assert found["metrics"]["_totals"]["loc"] > 20_000


def test_bandit_finds_what_is_dangerous(tmp_path: Path) -> None:
    seeded = tmp_path / "seeded.py"
    seeded.write_text(DANGEROUS)

    codes = {each["test_id"] for each in bandit(str(seeded))["results"]}

    assert {"B602", "B324", "B307"} <= codes


def test_every_suppression_is_listed_with_its_reason_and_there_are_few() -> None:
    said = {
        (name, code.strip(","))
        for name, text in FILES.items()
        for line in text.splitlines()
        if "# nosec" in line
        for code in line.partition("# nosec")[2].split() or ["everything"]
    }

    assert said == set(SUPPRESSED)
    assert len(said) <= MOST_SUPPRESSED


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.name)
def test_no_file_breaks_the_rule(rule: rules.Rule) -> None:
    broken = [
        f"{name}:{line}: {rule.why}"
        for name, text in FILES.items()
        if (rule.name, name) not in JUSTIFIED
        for line in rule.hits(text, name)
    ]

    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(("name", "path"), JUSTIFIED)
def test_a_justified_place_still_breaks_its_rule(name: str, path: str) -> None:
    assert RULES[name].hits(FILES[path], path), "take it off the list"


@pytest.mark.parametrize(("name", "path", "text"), SEEDED)
def test_a_seeded_breach_is_caught(name: str, path: str, text: str) -> None:
    assert RULES[name].hits(text, path)


@pytest.mark.parametrize(("name", "path", "text"), HARMLESS)
def test_the_right_way_is_left_alone(name: str, path: str, text: str) -> None:
    assert RULES[name].hits(text, path) == []


def test_no_template_prints_without_escaping() -> None:
    broken = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in TEMPLATES
        for line in rules.template_hits(path.read_text())
    ]

    assert broken == []


@pytest.mark.parametrize(
    "text", ["{{ a|safe }}", "{{ a | safeseq }}", "{% autoescape off %}", "{%- autoescape off %}"]
)
def test_a_template_that_does_is_caught(text: str) -> None:
    assert rules.template_hits(f"<p>\n{text}</p>") == [2]
