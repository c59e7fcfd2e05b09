"""What risk announces to the floors above."""

from etftrader.core.events import Event

alert_raised = Event("risk.alert_raised")  # alert_id
