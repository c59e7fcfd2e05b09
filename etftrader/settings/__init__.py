"""The settings: joins the parts. Production and development differ by environment variables."""

from etftrader.settings.base import *  # noqa: F403
from etftrader.settings.celery import *  # noqa: F403
from etftrader.settings.channels import *  # noqa: F403
from etftrader.settings.database import *  # noqa: F403
from etftrader.settings.logging import *  # noqa: F403
from etftrader.settings.mail import *  # noqa: F403
from etftrader.settings.product import *  # noqa: F403
from etftrader.settings.rest import *  # noqa: F403
from etftrader.settings.security import *  # noqa: F403

if TESTING:  # noqa: F405
    from etftrader.settings.test import *  # noqa: F403
