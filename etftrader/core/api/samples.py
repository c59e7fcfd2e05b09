"""Code samples of an operation, written from what the description says of it."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

HOW = """Samples of Python stand behind these lines:

```python
import os
import uuid

import requests

URL = os.environ["ETFTRADER"]  # such as https://etftrader.example
KNOWN = {"Authorization": f"Token {os.environ['ETFTRADER_TOKEN']}"}
```

Each request with an effect has an Idempotency-Key of its own; send the same one again only to try
the same request again. Every answer carries the four X-RateLimit headers. Money, prices and
quantities are decimal text, estimates are numbers, fractions are never percentages unless a name
ends in `_pct`. A figure that cannot be computed is null, and a reason stands beside it. Moments are
UTC, trading dates those of the exchange. Examples with NEWCO or NEWETF, and ids, are made up; the
others show the bundled history, and what is computed from it."""
# a new one for every request
_KEY = "Idempotency-Key"
_ID = "7d3f0a52-5c1e-4d0c-9a51-1f2b3c4d5e6f"
# a value of each parameter samples may have to fill in; ids are made up
VALUES: dict[str, Any] = {
    "symbol": "SPY",
    "symbols": "SPY,TLT",
    "underlying": "SPY",
    "cid": "rebalance-2016-06-24-1",
    "price_id": f"{_ID}:2016-06-24:bundled",
    "schedule_id": 1,
    "q": "treasury",
    "reason": "The mandate has changed.",
}
_FILE = {"text/csv": "prices.csv", "application/gzip": "prices.csv.gz"}


def value_of(name: str, schema: Mapping[str, Any]) -> Any:
    """A value for a parameter: ours, else an id where it is one."""
    if name in VALUES:
        return VALUES[name]
    return _ID if schema.get("format") == "uuid" else "…"


def of_operation(
    method: str, path: str, operation: Mapping[str, Any], body: Any
) -> list[dict[str, str]]:
    """curl and Python for one operation.

    Parameters
    ----------
    method, path : str
        The address as a template.
    operation : mapping
        Its parameters and its request body, as described.
    body : object
        An example of a JSON body; None where there is none.

    Returns
    -------
    list of dict
        `lang`, `label`, `source` each, as Redoc shows them.
    """
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    for each in operation.get("parameters", ()):
        value = value_of(each["name"], each["schema"])
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", quote(str(value), safe=":"))
        elif each["in"] == "query" and each.get("required"):
            query[each["name"]] = value
        elif each["name"] == "If-Match" and each.get("required"):
            headers["If-Match"] = '"v1"'
        elif each["name"] == _KEY:
            headers[_KEY] = ""
    kinds = list(operation.get("requestBody", {}).get("content", {}))
    sent = _file(kinds) if "multipart/form-data" in kinds else None
    known = bool(operation.get("security"))
    return [
        {
            "lang": "Shell",
            "label": "curl",
            "source": _curl(method, path, query, headers, body, sent, known),
        },
        {
            "lang": "Python",
            "label": "Python",
            "source": _python(method, path, query, headers, body, sent, known),
        },
    ]


def _file(kinds: list[str]) -> tuple[str, str]:
    """The media type of the file a sample sends, and its name."""
    kind = next((each for each in kinds if each in _FILE), "")
    return kind, _FILE.get(kind, "positions.csv")


def _curl(
    method: str,
    path: str,
    query: dict[str, Any],
    headers: dict[str, str],
    body: Any,
    sent: tuple[str, str] | None,
    known: bool,
) -> str:
    asked = f"?{urlencode(query, safe=',')}" if query else ""
    verb = "" if method == "GET" else f"-X {method} "
    lines = [f'curl {verb}"$ETFTRADER{path}{asked}"']
    if known:
        lines.append('-H "Authorization: Token $ETFTRADER_TOKEN"')
    for name, value in headers.items():
        # only within double quotes the shell asks uuidgen
        lines.append(f'-H "{name}: $(uuidgen)"' if name == _KEY else f"-H '{name}: {value}'")
    if sent and sent[0]:
        lines += [f"-H 'Content-Type: {sent[0]}'", f"--data-binary @{sent[1]}"]
    elif sent:
        lines.append(f"-F file=@{sent[1]}")
    elif body is not None:
        text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
        lines += ["-H 'Content-Type: application/json'", f"-d '{text}'"]
    return " \\\n  ".join(lines)


def _python(
    method: str,
    path: str,
    query: dict[str, Any],
    headers: dict[str, str],
    body: Any,
    sent: tuple[str, str] | None,
    known: bool,
) -> str:
    extra = [
        f'"{name}": ' + ("str(uuid.uuid4())" if name == _KEY else repr(value))
        for name, value in headers.items()
    ]
    if sent and sent[0]:
        extra.append(f'"Content-Type": "{sent[0]}"')
    given = ["KNOWN"] if known else []
    given += ["{" + ", ".join(extra) + "}"] if extra else []
    arguments = [f'f"{{URL}}{path}"']
    if query:
        arguments.append(f"params={query!r}")
    if given:
        arguments.append(f"headers={' | '.join(given)}")
    if sent:
        opened = f'open("{sent[1]}", "rb")'
        arguments.append(f"data={opened}" if sent[0] else f'files={{"file": {opened}}}')
    elif body is not None:
        arguments.append(f"json={body!r}")
    inner = "".join(f"    {each},\n" for each in [*arguments, "timeout=30"])
    return f"answer = requests.{method.lower()}(\n{inner})\nprint(answer.status_code, answer.text)"
