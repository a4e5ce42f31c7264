"""When: one tick claims what is due. The slots are crontab text or intervals, in the target's zone.

APScheduler runs the tick and nothing else; a slot is a row in the store, so a restart or a second
replica repeats nothing (docs/decisions/0008).
"""

import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from blake3 import blake3
from cronsim import CronSim, CronSimError

from baselines.errors import ApprovalRefused
from monitor.access import Actor, Right
from monitor.audit import Anchors
from monitor.delivery import deliver_waiting
from monitor.deps import Deps
from monitor.errors import StoreError, TooOften
from monitor.store.sweeps import Claim
from monitor.sweep import SweepReport, claim_slot, sweep
from monitor.target import Target

log = structlog.get_logger(__name__)

_INTERVAL: Final = re.compile(r"every (\d+)\s*(m|min|h|d)")
_UNITS: Final = {"m": 60, "min": 60, "h": 3600, "d": 86400}
SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(days=31)
MOST_AN_HOUR: Final = 6  #: sweeps of a target, from which on nobody may ask for one more
LATE: Final = timedelta(seconds=120)  #: a slot older than this at a start was missed


class BadSchedule(ValueError):
    """A schedule that cannot be read or never fires; says what would be right."""


def interval_of(schedule: str) -> timedelta | None:
    """The interval of ``every 6h``; None for a crontab.

    Raises:
        BadSchedule: below a minute or above 31 days.
    """
    match = _INTERVAL.fullmatch(schedule.strip())
    if match is None:
        return None
    interval = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if not SHORTEST <= interval <= LONGEST:
        raise BadSchedule("an interval is from 1 minute to 31 days, e.g. every 6h")
    return interval


def next_slot(schedule: str, zone: ZoneInfo, after: datetime) -> datetime:
    """The first moment after ``after`` at which a target is due, in UTC.

    Raises:
        BadSchedule: neither ``every 6h`` nor five crontab fields that ever fire.
    """
    interval = interval_of(schedule)
    if interval is not None:
        return after + interval
    if len(schedule.split()) != 5:
        raise BadSchedule("write every 6h, or five crontab fields, e.g. 0 6 * * 1 (Mondays at 06:00)")
    try:
        return next(CronSim(schedule, after.astimezone(zone))).astimezone(UTC)
    except (CronSimError, StopIteration) as error:
        what = "it never fires" if isinstance(error, StopIteration) else str(error).lower()
        raise BadSchedule(f"{what}; write e.g. 0 6 * * 1 (Mondays at 06:00)") from None


def spread(target: Target, seconds: int) -> timedelta:
    """A target's own place within the time that missed sweeps are spread over."""
    if seconds <= 0:
        return timedelta(0)
    return timedelta(seconds=int.from_bytes(blake3(target.name.encode()).digest()[:4], "big") % seconds)


def ask_for_sweep(name: str, actor: Actor, deps: Deps) -> Target:
    """Have a target swept at the next turn of the service; six times an hour at most, whoever asked for the others.

    Raises:
        UnknownTarget: there is none of that name.
        ApprovalRefused: ``paused``.
        TooOften: it was swept six times within the hour.
    """
    now = deps.clock.now()
    with deps.store.write(actor.tenants()) as unit:
        target = unit.targets.named(name)
        actor.needs(Right.SWEEP, target.tenant)
        if target.paused_at is not None or unit.targets.paused_all():
            mend = f"smart360-monitor tenant resume {name}"
            raise ApprovalRefused("paused", "its sweeps are paused.", where=name, mend=mend)
        if unit.sweeps.claimed_since(target, now - timedelta(hours=1)) >= MOST_AN_HOUR:
            raise TooOften(f"it was swept {MOST_AN_HOUR} times within the hour.", 600, where=name)
        unit.targets.set_next_run(target, now)
        return unit.targets.named(name)


@dataclass
class Scheduler:
    """Claims due slots, runs sweeps in threads, delivers what waits, and says when it last turned."""

    deps: Deps
    last_turn: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._anchors = Anchors(self.deps)
        self._pool = ThreadPoolExecutor(self.deps.settings.sweeps_at_once, thread_name_prefix="sweep")
        self._running: dict[int, Future[SweepReport]] = {}
        self._clock = BackgroundScheduler(timezone="UTC")
        self._stopping = False

    @property
    def is_stopping(self) -> bool:
        """True from the moment it was told to stop."""
        return self._stopping

    def start(self) -> None:
        """Spread what was missed, then turn every ``tick_seconds``."""
        self.spread_missed()
        options = {"coalesce": True, "max_instances": 1, "misfire_grace_time": 60}
        every = self.deps.settings.tick_seconds
        self._clock.add_job(self.turn, "interval", seconds=every, next_run_time=datetime.now(UTC), **options)
        self._clock.add_job(self.deliver, "interval", seconds=min(every, 1), next_run_time=datetime.now(UTC), **options)
        self._clock.add_job(self.anchor, "interval", seconds=every, next_run_time=datetime.now(UTC), **options)
        self._clock.start()

    def stop(self) -> None:
        """No new sweep; running ones end; leases are given back (F43)."""
        self._stopping = True
        self._clock.shutdown(wait=True)
        self._pool.shutdown(wait=True)
        with self.deps.store.write() as unit:
            unit.leases.give_back(self.deps.worker, self.deps.clock.now())
        log.info("drained")

    def spread_missed(self) -> None:
        """A missed sweep is made up once, and not all at the same moment (F50)."""
        now = self.deps.clock.now()
        with self.deps.store.write() as unit:
            for target in unit.targets.all():
                if target.next_run_at is not None and target.next_run_at < now - LATE:
                    unit.targets.set_next_run(target, now + spread(target, self.deps.settings.spread_seconds))

    def turn(self) -> None:
        """Claim what is due, and end what died."""
        try:
            self._turn()
            self.last_turn["schedule"] = self.deps.clock.now()
        except StoreError as error:
            log.warning("turn_failed", kind=error.kind, what=error.what)

    def _turn(self) -> None:
        now = self.deps.clock.now()
        self._running = {key: future for key, future in self._running.items() if not future.done()}
        free = self.deps.settings.sweeps_at_once - len(self._running)
        claims: list[Claim] = []
        with self.deps.store.write() as unit:
            for _, target_id in unit.sweeps.expired(now):
                target = unit.targets.by_id(target_id)
                if target.removed_at is None:
                    log.warning("job_retaken", target=target.name)
                    unit.targets.set_next_run(target, now)
            if free > 0 and not self._stopping:
                for target in unit.targets.due(now, free):
                    slot = target.next_run_at or now
                    unit.targets.set_next_run(
                        target, next_slot(target.definition.schedule, target.zone, max(slot, now))
                    )
                    # In the same transaction: a slot that was moved on but not claimed would be lost.
                    claim = claim_slot(unit, target, slot, self.deps)
                    if isinstance(claim, Claim):
                        claims.append(claim)
        for claim in claims:
            self._running[claim.target.id] = self._pool.submit(
                sweep_or_fail, claim.target, claim.slot, self.deps, claim
            )

    def deliver(self) -> None:
        """Send what waits."""
        try:
            deliver_waiting(self.deps)
            self.last_turn["delivery"] = self.deps.clock.now()
        except StoreError as error:
            log.warning("delivery_failed", kind=error.kind, what=error.what)

    def anchor(self) -> None:
        """Tell the head of the audit log outside, where that is due."""
        try:
            self._anchors.tell()
            self.last_turn["audit"] = self.deps.clock.now()
        except StoreError as error:
            log.warning("anchor_failed", kind=error.kind, what=error.what)


def sweep_or_fail(target: Target, slot: datetime, deps: Deps, claim: Claim | None = None) -> SweepReport:
    """The one entrance to a sweep: an error nobody foresaw is logged, and the sweep ends as failed."""
    try:
        return sweep(target, slot, deps, claim)
    except StoreError as error:
        log.warning("sweep_not_kept", target=target.name, kind=error.kind, what=error.what)
        return SweepReport(target.name, "failed", fault=error.kind, cure=error.mend)
    except Exception:
        log.exception("sweep_crashed", target=target.name)
        with deps.store.write() as unit:
            unit.sweeps.abandon(target, deps.worker, deps.clock.now())
        return SweepReport(target.name, "failed", fault="error", cure="See the log; this is a defect, report it.")
