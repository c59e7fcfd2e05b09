"""Block tags over templates/ui: panels with slots, tables from columns and rows, terms."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.template import Context, NodeList, TemplateSyntaxError
from django.template.base import FilterExpression, Parser, Token, token_kwargs
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from etftrader import glossary
from etftrader.core import table_files
from etftrader.core.formats import DASH, in_currency, moment_of, number, show, tone_of

register = template.Library()

SLOTS = "_slots"

# The words of ui.md 7.6 and their colours; every other word is plain.
WORDS = {
    "ok": "ok within approved succeeded resolved full filled active done new verified live valid",
    "watch": "watch warned limited fallback stale acknowledged waiting warning near partial late",
    "bad": "breach breached rejected failed missing triggered error critical halted",
    "info": "running accepted open queued simulated unchanged update",
}
KIND_OF = {word: kind for kind, words in WORDS.items() for word in words.split()}
KIND_OF["approved with warnings"] = "watch"


class PanelNode(template.Node):
    """A panel whose body and slots are written in place."""

    def __init__(self, options: Mapping[str, FilterExpression], body: NodeList) -> None:
        self.options = options
        self.body = body

    def render(self, context: Context) -> str:
        """The body first, because it fills the slots the frame prints."""
        options = {name: value.resolve(context) for name, value in self.options.items()}
        with context.push(**{SLOTS: {}}):
            body = self.body.render(context)
            slots = context[SLOTS]
        token = context.get("csrf_token")
        values = {**options, "body": body, "slots": slots, "csrf_token": token}
        return render_to_string("ui/panel.html", values)


class SlotNode(template.Node):
    """Content for a named place of the panel around it."""

    def __init__(self, name: FilterExpression, body: NodeList) -> None:
        self.name = name
        self.body = body

    def render(self, context: Context) -> str:
        """Nothing here; the panel prints it."""
        context[SLOTS][self.name.resolve(context)] = self.body.render(context)
        return ""


@register.tag
def panel(parser: Parser, token: Token) -> PanelNode:
    """`{% panel "Title" sub=... span=8 %} ... {% endpanel %}`; options are in ui/panel.html."""
    bits = token.split_contents()[1:]
    options: dict[str, FilterExpression] = {}
    if bits and "=" not in bits[0].split('"')[0]:
        options["title"] = parser.compile_filter(bits.pop(0))
    options.update(token_kwargs(bits, parser))
    if bits:
        raise TemplateSyntaxError(f"panel takes one title and named options, not {bits[0]}")
    body = parser.parse(("endpanel",))
    parser.delete_first_token()
    return PanelNode(options, body)


@register.tag
def slot(parser: Parser, token: Token) -> SlotNode:
    """`{% slot "end" %} ... {% endslot %}` inside a panel: end, footer or banner."""
    bits = token.split_contents()
    if len(bits) != 2:
        raise TemplateSyntaxError("slot takes the name of its place")
    body = parser.parse(("endslot",))
    parser.delete_first_token()
    return SlotNode(parser.compile_filter(bits[1]), body)


@register.filter
def word_kind(text: object) -> str:
    """The colour of a fixed status word; plain for every other."""
    return KIND_OF.get(str(text).replace("_", " ").lower(), "plain")


@register.filter
def words(text: object) -> str:
    """A stored choice as people read it: partly_filled becomes "Partly filled"."""
    spaced = str(text or "").replace("_", " ")
    return spaced[:1].upper() + spaced[1:].lower() if spaced.isupper() else _capitalised(spaced)


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


@register.inclusion_tag("ui/term.html")
def term(key: str, label: str = "") -> dict[str, Any]:
    """A label with its glossary sentence, linked to the glossary."""
    entry = glossary.term(key)
    return {"term": entry, "label": label or (entry.label if entry else _capitalised(key))}


@register.simple_tag(takes_context=True)
def data_table(context: Context, table: Mapping[str, Any]) -> SafeString:
    """A table from columns and rows; each cell formatted by its column.

    The panel around it gets the menu that offers the table as a file.
    """
    request = context.get("request")
    if request is not None and SLOTS in context and (files := table_files.menu(request, table)):
        context[SLOTS].setdefault("exports", []).append({"of": table["caption"], "items": files})
    columns = [_column(column, table) for column in table["columns"]]
    rows = [_row(row, columns, table) for row in table["rows"]]
    totals = table.get("totals")
    values = {
        "table": table,
        "columns": columns,
        "rows": rows,
        "totals": [_total(totals, column) for column in columns] if totals else None,
    }
    return render_to_string("ui/table.html", values)


def _column(column: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    fmt, kind = column.get("fmt", ""), column.get("kind", "")
    right = bool(fmt) and fmt != "text" and not fmt.startswith("et")
    sort = str(table.get("sort", ""))
    key = column["key"]
    css = [column.get("priority", ""), "r" if right else "", column.get("css", "")]
    if kind in {"hbar", "meter"}:
        css.append("bar")
    direction = ""
    if sort.lstrip("-") == key:
        direction = "descending" if sort.startswith("-") else "ascending"
    # A first press on a number asks for the largest first.
    falling = f"-{key}"
    following = key if sort == falling or (not right and sort != key) else falling
    return {
        **column,
        "label": column.get("label", ""),
        "right": right,
        "css": " ".join(filter(None, css)),
        "direction": direction,
        "sort_url": f"?{table.get('query_sort', '')}sort={following}" if sort else "",
    }


def _row(
    row: Mapping[str, Any], columns: list[dict[str, Any]], table: Mapping[str, Any]
) -> dict[str, Any]:
    cells = [_cell(row, column, table) for column in columns]
    if cells and not cells[0].get("url") and row.get("url"):
        cells[0]["url"] = row["url"]
    return {"id": row.get("id"), "cells": cells, "css": row.get("css", "")}


def _total(totals: Mapping[str, Any], column: dict[str, Any]) -> dict[str, Any]:
    """A cell of the last row; where the column says how, the page sums it up again as rows move."""
    how = column.get("sum", "")
    return {**_cell(totals, column, {}), "sum": column["key"] if how is True else how}


def _cell(
    row: Mapping[str, Any], column: dict[str, Any], table: Mapping[str, Any]
) -> dict[str, Any]:
    key, fmt = column["key"], column.get("fmt") or "text"
    if row.get("currency"):
        fmt = in_currency(fmt, row["currency"])
    value = row.get(key)
    kind = column.get("kind", "") if key in row else ""
    text = "" if kind else show(value, fmt)
    live = ""
    if column.get("live") and row.get("live"):
        # a full channel ends with a colon, which already separates it from the path
        dot = "" if row["live"].endswith(":") else "."
        live = f"{row['live']}{dot}{key if column['live'] is True else column['live']}"
        live = row.get(f"{key}_live", live)
    cell = {
        "value": value,
        "kind": kind,
        "text": text,
        "css": column["css"],
        "fmt": fmt if column["right"] or live else "",
        "live": live,
        "max_age": table.get("max_age", "") if live else "",
        "tone": tone_of(value) if column.get("tone") else "",
        "toned": column.get("tone"),
        "sub": row.get(column["sub"]) if column.get("sub") else "",
        "url": row.get(column["link"]) if column.get("link") else "",
        "title": row.get(column["title"]) if column.get("title") else "",
        "sort": _sortable(value),
        "less": row.get(f"{key}_less") if live else None,
        "per": row.get(f"{key}_per") if live else None,
        "column": column,
        "row": row,
    }
    if not kind and text == DASH and key in row:
        cell["reason"] = row.get(f"{key}_reason") or "Not available"
    elif text == DASH and key not in row:
        cell["text"] = ""
    return cell


def _sortable(value: object) -> str:
    # What table.js compares: exact digits for numbers, ISO text for moments, words otherwise.
    if isinstance(value, Mapping):
        value = value.get("value", value.get("text"))
    if moment_of(value) is not None:
        return str(value)
    parsed = number(value)
    return "" if parsed is None else f"{parsed:f}"
