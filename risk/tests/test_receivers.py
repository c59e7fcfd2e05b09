"""What happens when the books change."""

from celery import current_app

from marketdata.events import doubt_raised, doubt_settled, prices_arrived
from portfolios.events import positions_changed
from risk import receivers, tasks
from risk.services import revaluations


def test_a_changed_book_is_revalued_by_a_task_that_exists():
    assert receivers.revalue in positions_changed.listeners
    assert tasks.revalue_portfolio.name == receivers.REVALUE
    assert receivers.REVALUE in current_app.tasks


def test_a_name_in_doubt_no_more_is_revalued_by_a_task_that_exists():
    assert receivers.revalue_holders in doubt_settled.listeners
    assert receivers.leave_out in doubt_raised.listeners
    assert receivers.take_in in prices_arrived.listeners
    assert tasks.revalue_holders.name == receivers.REVALUE_HOLDERS
    assert receivers.REVALUE_HOLDERS in current_app.tasks
    assert tasks.retake_closes.name == revaluations.JOB
    assert revaluations.JOB in current_app.tasks
