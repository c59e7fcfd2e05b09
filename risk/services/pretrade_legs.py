"""One trade of a verdict as it was judged."""

from dataclasses import dataclass

from risk.calculations import pretrade as kernel


@dataclass(frozen=True, slots=True)
class Leg:
    """One trade of the request as the kernel saw it."""

    symbol: str
    side: str
    quantity: float
    price: float
    cost: float
    held: float
    solvency: tuple[str, ...]
    reducing: bool
    largest: float
    binding: str | None
    verdict: kernel.Verdict
