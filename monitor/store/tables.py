"""The tables. The database holds the truth it can hold: keys, foreign keys, checks, partial uniques."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NOT_RESOLVED = "state <> 'resolved'"  #: as queries must say it too, unbound, so that the partial indexes serve them
Id = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, always aware; SQLite drops zones, so they are put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can drop it on SQLite too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        str: Text(),
        bytes: LargeBinary(),
        int: BigInteger(),
    }


class TargetRow(Base):
    """One watched environment; ``connection`` holds references to secrets, never secrets."""

    __tablename__ = "targets"
    __table_args__ = (UniqueConstraint("tenant", "environment"), Index(None, "next_run_at"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    tenant: Mapped[str]
    environment: Mapped[str]
    definition: Mapped[str]  #: JSON as the tenant file gave it
    title: Mapped[str] = mapped_column(server_default="")  #: the utility's own name, from the last reading
    created_at: Mapped[datetime]
    next_run_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    paused_by: Mapped[str] = mapped_column(server_default="")
    paused_reason: Mapped[str] = mapped_column(server_default="")
    removed_at: Mapped[datetime | None]


class SweepRow(Base):
    """One run over one target; at most one of them is running. Its id is the fencing number."""

    __tablename__ = "sweeps"
    __table_args__ = (
        UniqueConstraint("target_id", "slot"),
        Index(
            "uq_sweeps_one_running",
            "target_id",
            unique=True,
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
        Index(None, "target_id", "claimed_at", "state"),
        CheckConstraint("state in ('running','complete','partial','failed','skipped','poisoned')", name="state"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("targets.id"))
    slot: Mapped[datetime]
    state: Mapped[str]
    owner: Mapped[str]
    claimed_at: Mapped[datetime]
    lease_until: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    fault: Mapped[str] = mapped_column(server_default="")  #: coverage reason or error code
    cure: Mapped[str] = mapped_column(server_default="")
    progress: Mapped[str] = mapped_column(server_default="")  #: while it runs: ``31 of 87 lists``
    report: Mapped[str] = mapped_column(server_default="{}")  #: JSON: figures of the run


class ListRow(Base):
    """All objects of one type, content-addressed: shared by snapshots and baselines, never changed."""

    __tablename__ = "lists"

    content: Mapped[str] = mapped_column(primary_key=True)  #: digest of objects with their ids
    digest: Mapped[str]  #: of their meaning, under ``form``
    form: Mapped[str]
    resource_type: Mapped[str]
    count: Mapped[int]
    body: Mapped[bytes]  #: zstd


class TreeRow(Base):
    """Which lists a configuration has; content-addressed, so an unchanged snapshot is one row."""

    __tablename__ = "trees"

    content: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str]  #: JSON: resource type → content of its list


class SnapshotRow(Base):
    """A configuration as collected at one moment."""

    __tablename__ = "snapshots"
    __table_args__ = (Index(None, "target_id", "taken_at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("targets.id"))
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), unique=True)
    taken_at: Mapped[datetime]
    digest: Mapped[str]
    form: Mapped[str]
    tree: Mapped[str] = mapped_column(ForeignKey("trees.content"))
    gaps: Mapped[str] = mapped_column(server_default="[]")
    lists_read: Mapped[int]
    lists_total: Mapped[int]
    objects: Mapped[int]


class MemoryRow(Base):
    """What the next sweep of a target may rely on: seals of lists, suspects, results of rules."""

    __tablename__ = "memories"

    target_id: Mapped[int] = mapped_column(ForeignKey("targets.id"), primary_key=True, autoincrement=False)
    body: Mapped[bytes]  #: zstd


class BaselineRow(Base):
    """A configuration a person approved; never updated."""

    __tablename__ = "baselines"
    __table_args__ = (UniqueConstraint("target_id", "version"), CheckConstraint("version > 0", name="version"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("targets.id"))
    version: Mapped[int]
    digest: Mapped[str]
    form: Mapped[str]
    tree: Mapped[str] = mapped_column(ForeignKey("trees.content"))
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposals.id"), unique=True)
    proposer: Mapped[str]
    approver: Mapped[str]
    approved_at: Mapped[datetime]
    accepted: Mapped[int]
    rejected: Mapped[int]


class ProposalRow(Base):
    """A snapshot, or an earlier baseline, put forward as the next baseline."""

    __tablename__ = "proposals"
    __table_args__ = (
        Index(
            "uq_proposals_open",
            "target_id",
            "snapshot_id",
            "base_version",
            "scope",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        CheckConstraint("state in ('open','approved','rejected','withdrawn','outdated')", name="state"),
        CheckConstraint("(snapshot_id is null) = (source_version > 0)", name="source"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("targets.id"))
    snapshot_id: Mapped[int | None] = mapped_column(ForeignKey("snapshots.id"))
    source_version: Mapped[int] = mapped_column(server_default="0")  #: of an earlier baseline; 0: a snapshot
    base_version: Mapped[int]
    scope: Mapped[str] = mapped_column(server_default="[]")  #: JSON: modules, resource types, services
    state: Mapped[str]
    title: Mapped[str] = mapped_column(server_default="")
    proposer: Mapped[str]
    created_at: Mapped[datetime]
    closed_by: Mapped[str] = mapped_column(server_default="")
    closed_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(server_default="")


class ProposalActRow(Base):
    """Who did what to a proposal or one of its changes, and why; append only, decisions are read from it."""

    __tablename__ = "proposal_acts"
    __table_args__ = (Index(None, "proposal_id", "id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposals.id"))
    did: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]
    words: Mapped[str] = mapped_column(server_default="")
    resource_type: Mapped[str] = mapped_column(server_default="")  #: of the change; "": the proposal as a whole
    key: Mapped[str] = mapped_column(server_default="")
    path: Mapped[str] = mapped_column(server_default="")
    carried: Mapped[int] = mapped_column(server_default="0")  #: number of the proposal in which it was done


class FleetEventRow(Base):
    """One cause on many targets; its members are the findings that name it."""

    __tablename__ = "fleet_events"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    cause: Mapped[str]  #: JSON of the leading one
    made_at: Mapped[datetime]
    channel: Mapped[str]  #: where its message stands


class FindingRow(Base):
    """One thing that is or was wrong at a target."""

    __tablename__ = "findings"
    __table_args__ = (
        UniqueConstraint("target_id", "fingerprint"),
        Index(None, "state", "target_id"),
        Index(None, "cause", "appeared_at"),
        Index(None, "fleet"),
        # What lists ask for (findings_list.py): the worst that is open, of all or of one target; the newest of all.
        *(
            Index(name, *columns, sqlite_where=text(NOT_RESOLVED), postgresql_where=text(NOT_RESOLVED))
            for name, columns in {
                "ix_findings_worst": ("rank", "opened_at", "id"),
                "ix_findings_worst_of_target": ("target_id", "rank", "opened_at", "id"),
            }.items()
        ),
        Index(None, "opened_at", "id"),
        Index(None, "changed_at", "id"),
        Index("ix_findings_list", "state", "rank", "kind", "module", "target_id", "opened_at", "rule", "key", "number"),
        Index(None, "fingerprint"),
        Index(
            "ix_findings_open",
            "target_id",
            "severity",
            "kind",
            sqlite_where=text("state <> 'resolved'"),
            postgresql_where=text("state <> 'resolved'"),
        ),
        CheckConstraint("state in ('open','acknowledged','resolved')", name="state"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    number: Mapped[str | None] = mapped_column(unique=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("targets.id"))
    fingerprint: Mapped[str]
    kind: Mapped[str]
    rule: Mapped[str]
    severity: Mapped[str]
    rank: Mapped[int]  #: of the severity; 0 is the worst
    module: Mapped[str]
    resource_type: Mapped[str]
    key: Mapped[str]
    path: Mapped[str]
    message: Mapped[str]
    state: Mapped[str]
    resolution: Mapped[str] = mapped_column(server_default="")
    detail: Mapped[str] = mapped_column(server_default="")
    opened_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    last_seen: Mapped[datetime]
    times_opened: Mapped[int]
    by: Mapped[str] = mapped_column(server_default="")
    note: Mapped[str] = mapped_column(server_default="")
    content: Mapped[str]  #: JSON of the finding as last seen
    alert_key: Mapped[str] = mapped_column(server_default="")  #: "": nobody was told
    quiet: Mapped[str] = mapped_column(server_default="")  #: JSON of why nobody is alerted; "": it is no quiet one
    hush: Mapped[str] = mapped_column(server_default="")  #: JSON of what a person said: snoozed or expected
    assignee: Mapped[str] = mapped_column(server_default="")
    openings: Mapped[str] = mapped_column(server_default="[]")  #: JSON of the last times a sweep opened it
    version: Mapped[int] = mapped_column(server_default="1")
    cause: Mapped[str] = mapped_column(server_default="")  #: what it has in common with others, as it last appeared
    appeared_at: Mapped[datetime | None]  #: when that was
    fleet: Mapped[int | None] = mapped_column(ForeignKey("fleet_events.id"))  #: the event it is a member of


class FindingEventRow(Base):
    """The history of findings; append only."""

    __tablename__ = "finding_events"
    __table_args__ = (Index(None, "finding_id", "id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    finding_id: Mapped[int] = mapped_column(ForeignKey("findings.id"))
    sweep_id: Mapped[int | None] = mapped_column(ForeignKey("sweeps.id"))
    event: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(server_default="")
    note: Mapped[str] = mapped_column(server_default="")
    hush: Mapped[str] = mapped_column(server_default="")  #: JSON of the Quiet that a person asked for; "" if none


class WaiverRow(Base):
    """An exception that was asked for; what was asked never changes."""

    __tablename__ = "waivers"
    __table_args__ = (
        Index(None, "state", "ends"),
        CheckConstraint("state in ('asked','approved','refused','ended')", name="state"),
        CheckConstraint("ends > asked_at", name="ends"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    tenant: Mapped[str]
    targets: Mapped[str]  #: JSON of names, all of this tenant
    fingerprint: Mapped[str] = mapped_column(server_default="")
    match: Mapped[str]  #: JSON of the selector
    subject: Mapped[str]
    reason: Mapped[str]
    ticket: Mapped[str] = mapped_column(server_default="")
    ends: Mapped[datetime]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    state: Mapped[str]
    decided_by: Mapped[str] = mapped_column(server_default="")
    decided_at: Mapped[datetime | None]
    ended_by: Mapped[str] = mapped_column(server_default="")
    ended_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(server_default="")


class AlertRow(Base):
    """What is to be said, queued in the transaction that made it so; one row for each revision of a message."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("channel", "key", "revision"),
        Index(None, "state", "next_try_at"),
        CheckConstraint("state in ('waiting','sent','superseded','suppressed')", name="state"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("targets.id"))
    channel: Mapped[str]
    key: Mapped[str]
    revision: Mapped[int]
    reason: Mapped[str]
    story: Mapped[str]  #: JSON of the AlertStory
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_try_at: Mapped[datetime]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    told: Mapped[int] = mapped_column(server_default="0")  #: thread lines already said
    error: Mapped[str] = mapped_column(server_default="")


class AlertThreadRow(Base):
    """Where a message stands in its channel, so that it is edited in place."""

    __tablename__ = "alert_threads"

    channel: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    message_channel: Mapped[str] = mapped_column(server_default="")
    message_id: Mapped[str] = mapped_column(server_default="")  #: "" until an answer was seen
    revision: Mapped[int] = mapped_column(server_default="0")
    tried_at: Mapped[datetime]  #: of the first try: from here on the channel is searched


class AuditRow(Base):
    """The chained, signed log; insert only."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    tenant: Mapped[str]
    action: Mapped[str]
    object: Mapped[str]
    content: Mapped[str]  #: digest of what was acted upon
    reason: Mapped[str]
    request: Mapped[str]
    prev: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)
    signature: Mapped[str]
    public_key: Mapped[str]


class IdempotencyRow(Base):
    """What a write was answered, so that its repetition is answered the same and does nothing (F92, B59)."""

    __tablename__ = "idempotency"
    __table_args__ = (Index(None, "at"),)

    actor: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)  #: method and path
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]  #: of the body
    reply: Mapped[bytes]
    at: Mapped[datetime]


class LeaseRow(Base):
    """Who holds a named right, until when, under which fencing number."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    fence: Mapped[int]
    until: Mapped[datetime]


class CounterRow(Base):
    """Counters that several processes add to and every replica tells the same of."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[str] = mapped_column(primary_key=True)  #: JSON list of label values
    value: Mapped[int]


class CoverageReportRow(Base):
    """What nobody guards of a target, as it was last worked out."""

    __tablename__ = "coverage_reports"

    target_id: Mapped[int] = mapped_column(ForeignKey("targets.id"), primary_key=True, autoincrement=False)
    report: Mapped[str]  #: JSON of ``rules coverage``


class SwitchRow(Base):
    """Settings that change while running: everything paused."""

    __tablename__ = "switches"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]


class PersonRow(Base):
    """Somebody who may sign in; a name is never given to another."""

    __tablename__ = "people"

    name: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(unique=True)
    subject: Mapped[str | None] = mapped_column(unique=True)  #: issuer and subject of single sign-on
    shown: Mapped[str] = mapped_column(server_default="")
    password: Mapped[str] = mapped_column(server_default="")  #: argon2; "": signs in elsewhere
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class GrantRow(Base):
    """A role of a person on a tenant, a group of tenants, or everywhere."""

    __tablename__ = "grants"

    person: Mapped[str] = mapped_column(ForeignKey("people.name"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    on: Mapped[str] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime | None]


class SessionRow(Base):
    """A browser that signed in, or is about to; its secret is known by its keyed hash only."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "started_at"),)

    hash: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str | None] = mapped_column(ForeignKey("people.name"))  #: none: on the way to single sign-on
    content: Mapped[str] = mapped_column(server_default="")  #: JSON: groups; or state, nonce, verifier, next
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class TokenRow(Base):
    """What a program signs in with; the token itself is known by its keyed hash only."""

    __tablename__ = "tokens"

    name: Mapped[str] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(unique=True)
    rights: Mapped[str]  #: JSON list
    tenants: Mapped[str]  #: JSON list; ``*``: every one
    person: Mapped[str]  #: whose own it is; "": a program's
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class ShareRow(Base):
    """A link that shows one target's gap list to whoever has it; known by its keyed hash only."""

    __tablename__ = "shares"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    hash: Mapped[str] = mapped_column(unique=True)
    target: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    revoked_by: Mapped[str]  #: "" while nobody ended it early


class AttemptRow(Base):
    """How often something was tried since when; replicas share it."""

    __tablename__ = "attempts"

    key: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    count: Mapped[int]
