"""The kill switch: started and ended once, with a reason, on the record."""

import pytest

from etftrader.core.actor import system
from etftrader.core.errors import BadInput, Conflict
from etftrader.core.records import AuditEvent
from trading.models import TradingHalt
from trading.selectors import halts as read
from trading.services import halts

pytestmark = pytest.mark.django_db


def test_it_starts_once_and_ends_once():
    by = system("test")

    halt = halts.start(reason="a strange feed", by=by)

    assert read.in_force() == halt
    with pytest.raises(Conflict):
        halts.start(reason="again", by=by)
    assert halts.end(reason="fine", by=by).ended_by == by.label
    assert read.in_force() is None
    with pytest.raises(Conflict):
        halts.end(reason="again", by=by)
    assert list(AuditEvent.objects.order_by("seq").values_list("action", "reason")) == [
        ("trading.halted", "a strange feed"),
        ("trading.resumed", "fine"),
    ]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301])
def test_it_asks_for_a_reason(reason):
    with pytest.raises(BadInput) as refusal:
        halts.start(reason=reason, by=system("test"))

    assert refusal.value.figures["attr"] == "reason"
    assert not TradingHalt.objects.exists()
