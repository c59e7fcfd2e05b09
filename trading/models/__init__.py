"""Tables of orders and trades."""

from trading.models.basket import Basket
from trading.models.cost_model import CostModel
from trading.models.order import Order, OrderEvent, TradingHalt
from trading.models.trade import Trade

__all__ = ["Basket", "CostModel", "Order", "OrderEvent", "Trade", "TradingHalt"]
