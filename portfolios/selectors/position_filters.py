"""What of the positions somebody wants to see: filters, grouping, order, columns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from etftrader.core.errors import BadInput
from portfolios.constants import MAX_TAGS_PER_POSITION
from portfolios.selectors.groups import GROUPS, HeldRow
from portfolios.selectors.positions import TYPES
from portfolios.selectors.tags import STRATEGY_PREFIX

ANY, ALL = "any", "all"
MISSING = "missing"
# by how their price came about; what has none is missing
QUALITIES = ("live", "delayed", "eod", "manual", "model", "stale", "suspect", MISSING)
COLUMNS = (
    "type", "quantity", "average", "price", "market_value", "exposure", "delta_exposure",
    "weight", "day_pnl", "unrealized", "gain", "share", "account", "sector", "strategy",
    "tags", "quality",
)  # fmt: skip
SORTS = (
    "symbol", "type", "quantity", "price", "market_value", "exposure", "delta_exposure",
    "weight", "day_pnl", "unrealized", "gain", "share",
)  # fmt: skip
MAX_WORDS = 60


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that must all hold; empty ones do not count."""

    search: str = ""
    type: str = ""
    tags: tuple[str, ...] = ()  # as they are written
    tag_mode: str = ANY
    underlying: str = ""
    strategy: str = ""
    quality: str = ""

    def keeps(self, row: HeldRow) -> bool:
        """Whether a position meets them all."""
        return (
            (not self.search or any(self.search.lower() in each for each in row.searched))
            and (not self.type or row.type == self.type)
            and (not self.underlying or row.underlying == self.underlying)
            and (not self.quality or row.quality == self.quality)
            and (not self.strategy or self.strategy.lower() in _names(row.mark.strategies))
            and self._tagged(row)
        )

    def _tagged(self, row: HeldRow) -> bool:
        if not self.tags:
            return True
        there = {each.lower() for each in row.mark.words}
        met = [each.lower() in there for each in self.tags]
        return all(met) if self.tag_mode == ALL else any(met)


def _names(marks: Iterable[Any]) -> set[str]:
    return {each.name.lower() for each in marks}


def strict(query: Mapping[str, str]) -> Filter:
    """Read the filters of a program's question. Raises BadInput with the parameter."""
    kind, mode = query.get("type", ""), query.get("tag_mode", ANY)
    quality = query.get("quality", "")
    if kind and kind not in TYPES:
        raise BadInput(f"type is one of {', '.join(TYPES)}.", attr="type")
    if mode not in (ANY, ALL):
        raise BadInput("tag_mode is any or all.", attr="tag_mode")
    if quality and quality not in QUALITIES:
        raise BadInput(f"quality is one of {', '.join(QUALITIES)}.", attr="quality")
    tags = _list(query.get("tag", ""))
    if len(tags) > MAX_TAGS_PER_POSITION:
        raise BadInput(f"At most {MAX_TAGS_PER_POSITION} tags.", attr="tag")
    return Filter(
        search=query.get("search", "").strip(),
        type=kind,
        tags=tags,
        tag_mode=mode,
        underlying=query.get("underlying", "").upper(),
        strategy=_plain(query.get("strategy", "")),
        quality=quality,
    )


def lenient(query: Mapping[str, str]) -> Filter:
    """Read the filters of a page's address; what it does not know it leaves out."""
    kind, quality = query.get("type", ""), query.get("quality", "")
    return Filter(
        search=query.get("q", "").strip()[:40],
        type=kind if kind in TYPES else "",
        tags=_list(query.get("tag", ""))[:MAX_TAGS_PER_POSITION],
        tag_mode=ALL if query.get("tag_mode") == ALL else ANY,
        underlying=query.get("underlying", "")[:32].upper(),
        strategy=_plain(query.get("strategy", ""))[:MAX_WORDS],
        quality=quality if quality in QUALITIES else "",
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))


def _plain(text: str) -> str:
    """A strategy's name, with or without its prefix."""
    word = text.strip()
    return word[len(STRATEGY_PREFIX) :] if word.lower().startswith(STRATEGY_PREFIX) else word


def group_of(query: Mapping[str, str], *, name: str = "group_by", needed: bool = False) -> str:
    """The grouping asked for; empty for none. Raises BadInput."""
    text = query.get(name, "")
    if (text and text not in GROUPS) or (needed and not text):
        raise BadInput(f"{name} is one of {', '.join(GROUPS)}.", attr=name)
    return text


def columns_of(text: str) -> tuple[str, ...]:
    """The columns named, in the table's own order; empty means all."""
    named = set(text.split(","))
    return tuple(each for each in COLUMNS if each in named)


def cleaned(query: Mapping[str, Any]) -> dict[str, str]:
    """What of a view's parameters is kept: known names with values that mean something.

    Raises BadInput for an unknown name, and for a value that is no short text.
    """
    kept: dict[str, str] = {}
    for name, value in query.items():
        if name not in VIEW_PARAMETERS:
            raise BadInput(f"{str(name)[:60]} is not part of a view.", attr=f"query.{name}"[:60])
        if not isinstance(value, str) or len(value) > 400 or "\x00" in value:
            raise BadInput("A short text.", attr=f"query.{name}")
        kept[name] = value.strip()
    wish = lenient(kept)
    told = {
        "q": wish.search,
        "type": wish.type,
        "tag": ",".join(wish.tags),
        "tag_mode": ALL if wish.tag_mode == ALL else "",
        "underlying": wish.underlying,
        "strategy": wish.strategy,
        "quality": wish.quality,
        "group": kept.get("group", "") if kept.get("group") in GROUPS else "",
        "sort": sort_of(kept.get("sort", "")),
        "columns": ",".join(columns_of(kept.get("columns", ""))),
    }
    return {name: value for name, value in told.items() if value}


def sort_of(text: str) -> str:
    """The order asked for, a leading minus for descending; empty when there is none such."""
    return text if text.removeprefix("-") in SORTS else ""


VIEW_PARAMETERS = (
    "q", "type", "tag", "tag_mode", "underlying", "strategy", "quality", "group", "sort",
    "columns",
)  # fmt: skip
