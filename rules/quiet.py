"""When a finding is expected, so that it is shown and nobody is alerted until the time for it is over."""

from dataclasses import dataclass
from datetime import datetime

from rules.selector import Selector


@dataclass(frozen=True, slots=True)
class ChangeWindow:
    """A time in which somebody announced changes."""

    starts: datetime  #: aware; included
    ends: datetime  #: aware; not included
    ticket: str
    reason: str
    owner: str
    match: Selector
