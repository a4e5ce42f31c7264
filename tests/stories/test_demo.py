"""The main job as a whole, in another year: the same incidents, found the same way."""

from datetime import UTC, datetime, timedelta
from time import monotonic

from monitor.demo import incidents, running_demo


class YearsLater:
    """A clock that runs, seven years ahead."""

    def __init__(self) -> None:
        self._start = monotonic()

    def now(self) -> datetime:
        return datetime(2033, 2, 28, 23, 59, tzinfo=UTC) + timedelta(seconds=monotonic() - self._start)


def test_seven_years_later_every_incident_is_found_as_it_should_be_and_nothing_else():
    with running_demo(0, lambda _line: None, clock=YearsLater(), serve=False) as demo:
        report = demo.sweep()
        assert (report.state, report.lists_read, report.objects) == ("complete", 87, 773)
        assert demo.open_findings() == {}
        demo.approve_first()
        seen = [demo.play(incident) for incident in incidents()]
        assert {each.incident.name: each.differences() for each in seen if not each.is_right} == {}
        posted, edited = demo.messages()
        assert posted >= 20
        assert edited >= 20
