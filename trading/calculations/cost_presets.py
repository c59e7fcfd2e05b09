"""What trading costs under each preset, before an instrument is known."""

from dataclasses import dataclass
from decimal import Decimal

from trading.calculations.fills import CostModel

ZERO = Decimal(0)
DEFAULT, SIMPLE, FREE, OPTIONS, CUSTOM = "default", "simple", "zero", "options", "custom"


@dataclass(frozen=True, slots=True)
class Rates:
    """A portfolio's costs; currency, basis points and multipliers as in `CostModel`."""

    preset: str = DEFAULT
    commission_per_trade: Decimal = Decimal("1.00")  # of shares
    commission_per_share: Decimal = ZERO
    commission_minimum: Decimal = ZERO  # of shares
    commission_per_contract: Decimal = Decimal("0.65")  # options pay this and nothing else
    half_spread_bp: float | None = None  # None: of the instrument's own class
    impact_y: float = 1.0
    max_participation: float = 0.1  # of a bar's volume

    def model(self, *, option: bool, class_half_spread_bp: float | None = None) -> CostModel:
        """The costs of one instrument, whose class may know its half-spread."""
        spread = self.half_spread_bp
        if spread is None:
            spread = CostModel().half_spread_bp
            spread = spread if class_half_spread_bp is None else class_half_spread_bp
        return CostModel(
            half_spread_bp=spread,
            impact=self.impact_y,
            max_participation=self.max_participation,
            commission_per_trade=ZERO if option else self.commission_per_trade,
            commission_per_unit=(
                self.commission_per_contract if option else self.commission_per_share
            ),
            commission_min=ZERO if option else self.commission_minimum,
        )


PRESETS = {
    DEFAULT: Rates(),
    SIMPLE: Rates(preset=SIMPLE, half_spread_bp=5.0, impact_y=0.0),
    FREE: Rates(
        preset=FREE,
        commission_per_trade=ZERO,
        commission_per_contract=ZERO,
        half_spread_bp=0.0,
        impact_y=0.0,
    ),
    OPTIONS: Rates(preset=OPTIONS, commission_per_trade=ZERO),
}
