"""House rules that no linter knows: one visitor each over the syntax tree, with the reason why.

A rule answers with line numbers; the test names the few places that may break one.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

Find = Callable[[ast.Module, str], Iterator[int]]

DOORS = frozenset({"api", "views", "forms"})
DOOR_FILES = frozenset(
    {"views.py", "forms.py", "admin.py", "consumers.py", "hub.py", "gate.py", "tick.py"}
)
# services, the machinery under them, and the demo's builder, which strings services together
WRITERS = frozenset({"services", "services.py", "core", "demo"})
# what a client wrote
ASKED = frozenset(
    {
        "request",
        "query_params",
        "GET",
        "POST",
        "FILES",
        "COOKIES",
        "headers",
        "validated_data",
        "initial_data",
        "cleaned_data",
        "checked",
    }
)
QUERIES = frozenset(
    {"filter", "exclude", "annotate", "alias", "aggregate", "get", "values", "values_list"}
)
SORTS = frozenset({"order_by", "latest", "earliest", "distinct"})
CODE_MODULES = frozenset({"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"})
CODE_CALLS = frozenset(
    {
        "eval",
        "exec",
        "compile",
        "__import__",
        "os.system",
        "os.popen",
        "yaml.load",
        "yaml.load_all",
        "yaml.full_load",
        "yaml.unsafe_load",
        "torch.load",
        "pd.read_pickle",
        "pandas.read_pickle",
    }
)
SAFE_WORDS = frozenset({"mark_safe", "SafeString", "SafeText", "SafeData", "html_safe"})
SQL_CALLS = frozenset({"execute", "executemany", "raw", "extra", "RawSQL"})
HTTP_MODULES = (
    "requests",
    "urllib.request",
    "http.client",
    "httpx",
    "aiohttp",
    "curl_cffi",
    "urllib3",
    "ftplib",
    "smtplib",
    "telnetlib",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is refused, where it is looked for, and why."""

    name: str
    why: str
    find: Find
    doors_only: bool = False

    def hits(self, text: str, path: str) -> list[int]:
        """Line numbers of what breaks the rule in one file."""
        if self.doors_only and not is_door(path):
            return []
        return sorted(set(self.find(_tree(text), path)))


def is_door(path: str) -> bool:
    """Whether requests, sockets or commands enter here."""
    rooms = Path(path).parts[1:]
    return bool(DOORS & set(rooms[:-1])) or (len(rooms) == 1 and rooms[0] in DOOR_FILES)


@cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def _nodes(scope: ast.AST) -> tuple[ast.AST, ...]:
    """Everything in a module or a function; every rule walks the same ones."""
    return tuple(ast.walk(scope))


# --- reading a tree -----------------------------------------------------------------------------


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in _nodes(tree) if isinstance(node, ast.Call))


def _dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute; what is called in between counts as nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}".lstrip(".")
    return ""


def _word(call: ast.Call) -> str:
    return _dotted(call.func).rpartition(".")[2]


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, full name) of every imported module and name."""
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)


def _functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Every function on its own, and the module for what stands outside."""
    yield tree
    for node in _nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _asked(node: ast.AST, tainted: set[str]) -> bool:
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and (each.id in ASKED or each.id in tainted):
            return True
        if isinstance(each, ast.Attribute) and each.attr in ASKED:
            return True
    return False


def _bindings(scope: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """(name, what it is bound to) of assignments and loops."""
    for node in _nodes(scope):
        pairs: list[tuple[ast.AST, ast.AST]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value:
            pairs = [(node.target, node.value)]
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            pairs = [(node.target, node.iter)]
        for target, value in pairs:
            for each in ast.walk(target):
                if isinstance(each, ast.Name):
                    yield each.id, value


def _tainted(scope: ast.AST) -> set[str]:
    """Names in a function that carry what a client wrote."""
    tainted: set[str] = set()
    bindings = list(_bindings(scope))
    while True:
        more = {name for name, value in bindings if _asked(value, tainted)} - tainted
        if not more:
            return tainted
        tainted |= more


# --- the rules ----------------------------------------------------------------------------------


def _keywords(tree: ast.Module, path: str) -> Iterator[int]:
    for scope in _functions(tree):
        spread = [
            (call.lineno, keyword.value)
            for call in _calls(scope)
            if isinstance(call.func, ast.Attribute) and call.func.attr in QUERIES
            for keyword in call.keywords
            if keyword.arg is None
        ]
        tainted = _tainted(scope) if spread and scope is not tree else set()
        yield from (line for line, value in spread if _names_asked(value, tainted))


def _names_asked(value: ast.AST, tainted: set[str]) -> bool:
    """Whether a client may have named a keyword; values of a written dict are its business."""
    if isinstance(value, ast.Dict):
        keys = zip(value.keys, value.values, strict=True)
        return any(_asked(value if key is None else key, tainted) for key, value in keys)
    return _asked(value, tainted)


def _ordering(tree: ast.Module, path: str) -> Iterator[int]:
    for scope in _functions(tree):
        sorts = [
            call
            for call in _calls(scope)
            if isinstance(call.func, ast.Attribute) and call.func.attr in SORTS and call.args
        ]
        tainted = _tainted(scope) if sorts and scope is not tree else set()
        for call in sorts:
            if any(_asked(each, tainted) for each in call.args):
                yield call.lineno


def _unescaped(tree: ast.Module, path: str) -> Iterator[int]:
    for call in _calls(tree):
        word = _word(call)
        if word in SAFE_WORDS:
            yield call.lineno
        if word == "format_html" and call.args and not isinstance(call.args[0], ast.Constant):
            yield call.lineno
        for keyword in call.keywords:
            off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg == "autoescape" and off:
                yield call.lineno
    for node in _nodes(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                named = isinstance(key, ast.Constant) and key.value == "autoescape"
                if named and isinstance(value, ast.Constant) and value.value is False:
                    yield node.lineno


def _code_from_data(tree: ast.Module, path: str) -> Iterator[int]:
    for line, name in _imports(tree):
        if name.partition(".")[0] in CODE_MODULES:
            yield line
    for call in _calls(tree):
        if _dotted(call.func) in CODE_CALLS:
            yield call.lineno
        for keyword in call.keywords:
            on = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            if keyword.arg in ("shell", "allow_pickle") and on:
                yield call.lineno


def _built_sql(tree: ast.Module, path: str) -> Iterator[int]:
    answers = {
        node.name: [each.value for each in _nodes(node) if isinstance(each, ast.Return)]
        for node in _nodes(tree)
        if isinstance(node, ast.FunctionDef)
    }
    for scope in _functions(tree):
        asked = [call for call in _calls(scope) if _word(call) in SQL_CALLS and call.args]
        bound: dict[str, list[ast.AST]] = {}
        for name, value in _bindings(scope) if asked else ():
            bound.setdefault(name, []).append(value)
        for call in asked:
            if _is_built(call.args[0], bound, answers, frozenset()):
                yield call.lineno


def _is_built(
    node: ast.AST | None,
    bound: dict[str, list[ast.AST]],
    answers: dict[str, list[ast.expr | None]],
    seen: frozenset[str],
) -> bool:
    """Whether a text was put together from parts that may vary."""
    if isinstance(node, ast.Name) and node.id not in seen:
        further = seen | {node.id}
        return any(_is_built(each, bound, answers, further) for each in bound.get(node.id, []))
    if isinstance(node, ast.Call):
        if _word(node) in ("format", "format_map", "join", "replace"):
            return True
        if _word(node) in answers and _word(node) not in seen:
            further = seen | {_word(node)}
            return any(_is_built(each, bound, answers, further) for each in answers[_word(node)])
        return False
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Mod):
            return True
        sides = (node.left, node.right)
        return not all(isinstance(each, ast.Constant) for each in sides)
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(each, ast.FormattedValue) for each in node.values)
    if isinstance(node, ast.List | ast.Tuple):
        return any(_is_built(each, bound, answers, seen) for each in node.elts)
    if isinstance(node, ast.ListComp | ast.GeneratorExp):
        return _is_built(node.elt, bound, answers, seen)
    return False


def _unscoped(tree: ast.Module, path: str) -> Iterator[int]:
    """`Model.objects.get(pk=...)` and its kin; `.objects.for_actor(...)` is another chain."""
    for call in _calls(tree):
        if _word(call) in ("get_object_or_404", "get_list_or_404", "aget_object_or_404"):
            yield call.lineno
        chain = _dotted(call.func).split(".")
        if len(chain) < 3 or chain[-2] not in ("objects", "_default_manager", "_base_manager"):
            continue
        if chain[-1] in ("get", "aget", "filter", "in_bulk", "all"):
            yield call.lineno


def _naive(tree: ast.Module, path: str) -> Iterator[int]:
    for call in _calls(tree):
        word, given = _word(call), len(call.args) + len(call.keywords)
        if word in ("utcnow", "utcfromtimestamp"):
            yield call.lineno
        owner = _dotted(call.func).rpartition(".")[0].rpartition(".")[2]
        if owner in ("datetime", "date") and word == "today":
            yield call.lineno
        if owner == "datetime" and (word, given) in (("now", 0), ("fromtimestamp", 1)):
            yield call.lineno


def _transactions(tree: ast.Module, path: str) -> Iterator[int]:
    if WRITERS & set(Path(path).parts):
        return
    for node in _nodes(tree):
        if isinstance(node, ast.Attribute) and _dotted(node) == "transaction.atomic":
            yield node.lineno
        if isinstance(node, ast.ImportFrom) and node.module == "django.db.transaction":
            yield node.lineno


def _outbound(tree: ast.Module, path: str) -> Iterator[int]:
    if path.startswith("etftrader/core/outbound"):
        return
    for line, name in _imports(tree):
        if any(name == each or name.startswith(f"{each}.") for each in HTTP_MODULES):
            yield line


def _float_money(tree: ast.Module, path: str) -> Iterator[int]:
    for scope in _functions(tree):
        floats = set()
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [*scope.args.args, *scope.args.kwonlyargs]
            floats = {each.arg for each in given if _dotted(each.annotation or scope) == "float"}
        for call in _calls(scope):
            if _word(call) == "Decimal" and call.args and _is_float(call.args[0], floats):
                yield call.lineno


def _is_float(node: ast.AST, floats: set[str]) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    if isinstance(node, ast.Name):
        return node.id in floats
    if isinstance(node, ast.Call):
        return _dotted(node.func) in ("float", "np.float64", "math.sqrt", "math.exp", "math.log")
    if isinstance(node, ast.UnaryOp):
        return _is_float(node.operand, floats)
    if isinstance(node, ast.BinOp):
        return _is_float(node.left, floats) or _is_float(node.right, floats)
    return False


RULES = (
    Rule("keywords", "a client must not choose lookups or connectors of a query", _keywords),
    Rule("ordering", "sorting by any column reads what the page does not show", _ordering),
    Rule("unescaped", "text that is marked safe is run by the browser", _unescaped),
    Rule("code_from_data", "bytes or text from outside must never become code", _code_from_data),
    Rule("built_sql", "a value inside the text of SQL is run by the database", _built_sql),
    Rule("unscoped", "a door reads rows through the asker only", _unscoped, doors_only=True),
    Rule("naive_time", "a time without a zone is another time elsewhere", _naive),
    Rule("transactions", "services own the transactions: half a change is none", _transactions),
    Rule("outbound", "one client holds the allow-list, the caps and the time-outs", _outbound),
    Rule("float_money", "a float is not an amount: its digits are invented", _float_money),
)
TEMPLATE_RULE = re.compile(r"\|\s*safe(seq)?\b|\{%-?\s*autoescape\s+off\b")


def template_hits(text: str) -> list[int]:
    """Lines of a template that print without escaping."""
    return [
        number for number, line in enumerate(text.splitlines(), 1) if TEMPLATE_RULE.search(line)
    ]


def product_files(root: Path, floors: tuple[str, ...]) -> dict[str, str]:
    """Text of every product file by path: no tests and nothing that only tests use."""
    away = {"tests", "testing", "migrations"}
    found = [path for floor in floors for path in sorted((root / floor).rglob("*.py"))]
    names = {str(path.relative_to(root)): path for path in [*found, root / "manage.py"]}
    return {
        name: path.read_text() for name, path in names.items() if not away & set(Path(name).parts)
    }
