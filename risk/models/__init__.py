"""Tables of risk."""

from risk.models.alert import Alert
from risk.models.covariance import CovarianceSnapshot
from risk.models.limit import LimitBreach, RiskLimit
from risk.models.metric import PositionRisk, RiskMetric, VarResult
from risk.models.pretrade import PreTradeCheck
from risk.models.stop_loss import StopEvent, StopLossLevel, StopLossRule

__all__ = [
    "Alert",
    "CovarianceSnapshot",
    "LimitBreach",
    "PositionRisk",
    "PreTradeCheck",
    "RiskLimit",
    "RiskMetric",
    "StopEvent",
    "StopLossLevel",
    "StopLossRule",
    "VarResult",
]
