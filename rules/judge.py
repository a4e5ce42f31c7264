"""The one path from a configuration to what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from blake3 import blake3

from baselines.catalogue import Catalogue
from baselines.compare import Comparison
from baselines.configuration import Configuration
from baselines.coverage import LIST_GAPS, Gap, Reason
from baselines.fingerprints import SecretKey
from baselines.severity import Severity
from rules.drift import drift_findings, field_of
from rules.evaluate import RuleResult, Verdict, evaluate
from rules.facts import Facts, History
from rules.findings import Finding, Kind, ordered
from rules.impact import Impact
from rules.money import Money
from rules.overlay import Exemption, Overlay
from rules.pack import ANY, CONFIGURATION, Packs, Rule
from rules.profiles import Profile


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Something nobody looked at, and the rules that could not be decided because of it."""

    resource_type: str
    path: str
    reason: str
    rules: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A result with what it rests on; it stands while that is the same."""

    basis: str  #: of facts, rule and, where it reads today, the day
    result: RuleResult


@dataclass(frozen=True)
class Judgement:
    """Everything that is wrong with one configuration at one moment."""

    findings: tuple[Finding, ...]
    results: Mapping[str, Kept]
    rules: Mapping[str, Rule]
    unchecked: tuple[Unchecked, ...]
    day: date
    judged_anew: int = 0  #: rules that were evaluated; the others were kept
    modules: Mapping[str, int] = field(default_factory=dict)
    ignored: tuple[tuple[Finding, Exemption], ...] = ()  #: what an overlay says is none, and what says so
    kept: Mapping[str, Kept] = field(default_factory=dict)  #: results with what is ignored, for the next judgement
    money: Money | None = None  #: what all changes together mean for bills; None with fewer than two

    @property
    def tally(self) -> Mapping[Verdict, int]:
        """How many rules have each verdict."""
        counted = dict.fromkeys(Verdict, 0)
        for kept in self.results.values():
            counted[kept.result.verdict] += 1
        return counted

    @property
    def readiness(self) -> float | None:
        """Passed ÷ (passed + failed) required rules; None where none was decided."""
        passed, failed = self.required(Verdict.PASSED), self.required(Verdict.FAILED)
        return round(passed / (passed + failed), 3) if passed + failed else None

    def required(self, verdict: Verdict, module: str = "") -> int:
        """How many required rules have this verdict, of all modules or one."""
        return sum(
            1
            for name, kept in self.results.items()
            if self.rules[name].required
            and kept.result.verdict is verdict
            and (not module or self.rules[name].module == module)
        )

    @property
    def undecided(self) -> tuple[RuleResult, ...]:
        """Results that are undecided, required ones first."""
        found = [kept.result for kept in self.results.values() if kept.result.verdict is Verdict.UNDECIDED]
        return tuple(sorted(found, key=lambda each: (not self.rules[each.rule].required, each.rule)))


BILLING: Final = "billing"  #: the module whose rules are about bills


def judge(
    configuration: Configuration,
    comparison: Comparison,
    packs: Packs,
    catalogue: Catalogue,
    *,
    at: datetime,
    secrets: SecretKey,
    zone: tzinfo = UTC,
    stage: str = "live",
    kept: Mapping[str, Kept] | None = None,
    history: History | None = None,
    overlay: Overlay | None = None,
    base: Configuration | None = None,
    consumers: Mapping[str, int] | None = None,
    profiles: tuple[Profile, ...] = (),
) -> Judgement:
    """Drift, rule and coverage findings of a configuration, as of one moment.

    Args:
        configuration: canonical.
        comparison: with the approved one; its changes become drift.
        packs: the rules.
        catalogue: of both.
        at: the moment judged; ``today`` is its day in the utility's zone, else in ``zone``.
        secrets: to recognise known stand-ins for secrets.
        zone: of the target, where the utility names none.
        stage: ``onboarding`` or ``live``.
        kept: results of an earlier judgement; each stands while its facts, its rule and, where it
            reads today, the day are the same.
        history: of a target that is being set up: in which order its resource types appeared.
        overlay: whose exemptions apply. What they cover is no finding and fails no rule; one that
            covers nothing, where it could be seen, is a finding of its own.
        base: the old side of ``comparison``, for what findings mean in money.
        consumers: how many there are of each category.
        profiles: what they typically use, before the shipped profiles.

    Returns:
        Findings ordered by severity, module, type, key, path.
    """
    day = at.astimezone(zone_of(configuration, zone)).date()
    results: dict[str, Kept] = {}
    due: list[Rule] = []
    bases = {rule.id: basis_of(rule, configuration, day, stage) for rule in packs.rules}
    for rule in packs.rules:
        earlier = (kept or {}).get(rule.id)
        # When something was created stands beside the lists, not in their digests.
        rests_on_history = history is not None and "overtaken" in rule.shape("self").fields
        if earlier is not None and earlier.basis == bases[rule.id] and not rests_on_history:
            results[rule.id] = earlier
        else:
            due.append(rule)
    if due:
        facts = Facts(configuration, catalogue, day.isoformat(), secrets, history)
        anew = evaluate(due, facts, stage=stage)
        results.update({name: Kept(bases[name], result) for name, result in anew.items()})
    places = {module.name: module.order for module in catalogue.modules}
    raw = {rule.id: results[rule.id] for rule in packs.rules}
    exemptions = overlay.exemptions if overlay is not None else ()
    found: list[Finding] = []
    ignored: list[tuple[Finding, Exemption]] = []

    def sort(finding: Finding, *known: Any) -> None:
        by = next((each for each in exemptions if each.covers(finding, *known)), None)
        ignored.append((finding, by)) if by is not None else found.append(finding)

    impact = Impact(base, configuration, comparison.changes, catalogue, day, consumers or {}, profiles)
    for change, finding in zip(comparison.changes, drift_findings(comparison, catalogue, impact), strict=True):
        sort(finding, change.new, field_of(change, catalogue.types.get(change.resource_type)))
    gaps = (*configuration.gaps, *comparison.unchecked)
    ruled = (_with_money(one, impact) for own in raw.values() for one in own.result.findings)
    for each in (*ruled, *coverage_findings(gaps, configuration, catalogue)):
        sort(each)
    judged = raw
    if ignored:
        prints = {finding.fingerprint for finding, _ in ignored}
        judged = {name: replace(own, result=own.result.without(prints)) for name, own in raw.items()}
    unchecked = _unchecked(configuration, judged, packs, catalogue)
    if overlay is not None:
        idle = _idle(overlay, [by for _, by in ignored], configuration, comparison, raw, packs)
        found += idle
        unchecked += tuple(Unchecked(each.resource_type, each.key, each.rule, (), each.message) for each in idle)
    return Judgement(
        findings=ordered(found, places), results=judged, rules=packs.by_id, unchecked=unchecked, day=day,
        judged_anew=len(due), modules=places, ignored=tuple(ignored), kept=raw,
        money=impact.together(),
    )  # fmt: skip


def _idle(
    overlay: Overlay, used: Sequence[Exemption], configuration: Configuration, comparison: Comparison,
    results: Mapping[str, Kept], packs: Packs,
) -> list[Finding]:  # fmt: skip
    """A finding for each part of an overlay that fits nothing, where all that it could cover was looked at."""
    undecided = [rule for rule in packs.rules if results[rule.id].result.verdict is Verdict.UNDECIDED]
    told = {f"{each.file} {each.path}": (f"{each.file}:{each.line}", each.what, each.mend) for each in overlay.mistakes}
    for each in overlay.exemptions:
        kind, named = each.match.kind, each.match.resource_type
        is_seen = not configuration.unread and not any(map(each.may_cover, undecided))
        is_seen &= kind not in ("", Kind.DRIFT) or not comparison.compared_nothing
        is_seen &= not named or "*" in named or named == CONFIGURATION or configuration.why_unknown(named) is None
        if is_seen and each not in used:
            what = f"“{each.named}” covers nothing ({each.reason}, {each.owner})."
            name = f"{each.place.rpartition(':')[0]} {each.named}"  # without its line, which moves
            told[name] = (each.place, what, "Remove it, or correct its pattern.")
    return [
        Finding(
            kind=Kind.COVERAGE, rule=Reason.MATCHES_NOTHING.value, severity=Severity.LOW, module="",
            resource_type=CONFIGURATION, key=name, path="", title="An overlay says what fits nothing",
            message=f"{place}: {what}", why="Its owner believes that it holds.", fix=mend,
        )
        for name, (place, what, mend) in told.items()
    ]  # fmt: skip


def _with_money(finding: Finding, impact: Impact) -> Finding:
    """A rule's finding on what makes bills, with what it means for them."""
    if finding.module != BILLING:
        return finding
    judged = ((each.resource_type, each.key, each.path) for each in finding.evidence)
    return replace(finding, money=impact.of_object((finding.resource_type, finding.key), judged))


def zone_of(configuration: Configuration, fallback: tzinfo) -> tzinfo:
    """The zone of the utility object, else that of the target."""
    utility = next((each.values for each in configuration.objects("utility")), {})
    try:
        return ZoneInfo(str(utility.get("timezone") or ""))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return fallback


def basis_of(rule: Rule, configuration: Configuration, day: date, stage: str) -> str:
    """What a result rests on: digests of the lists it needs, the rule itself, the day if it reads it."""
    hasher = blake3(f"{rule.digest}\0{stage}\0{configuration.version}\0".encode())
    names = sorted(rule.types) if rule.subject != ANY else sorted(configuration.lists)
    for name in names:
        listed = configuration.lists.get(name)
        told = listed.digest if listed is not None else str(configuration.why_unknown(name))
        hasher.update(f"{name}={told}\0".encode())
    if rule.subject == ANY:
        hasher.update("".join(sorted(configuration.unread)).encode())
    if rule.reads_today:
        hasher.update(day.isoformat().encode())
    return hasher.hexdigest()[:32]


#: How bad it is that something could not be read; what is not named is high.
_GAP_SEVERITY: Final = {
    Reason.UNKNOWN_TYPE: Severity.INFO,
    Reason.UNKNOWN_FIELD: Severity.INFO,
    Reason.SOURCE_CLOCK: Severity.INFO,
    Reason.NO_ROUTE: Severity.INFO,
    Reason.NO_BASELINE: Severity.INFO,
    Reason.COUNT_MISMATCH: Severity.LOW,
    Reason.TYPE_CHANGED: Severity.MEDIUM,
    Reason.FIELD_MISSING: Severity.MEDIUM,
    Reason.DUPLICATE_KEY: Severity.MEDIUM,
    Reason.DUPLICATE_ID: Severity.MEDIUM,
    Reason.KEY_CHANGED: Severity.MEDIUM,
    Reason.NO_KEY: Severity.MEDIUM,
}
#: Reasons that concern the target as a whole: told once, not once for each list.
WHOLE_TARGET: Final = frozenset(
    (Reason.LOGIN_REFUSED, Reason.UTILITY_UNKNOWN, Reason.DNS, Reason.TLS, Reason.ADDRESS_REFUSED, Reason.NETWORK)
)


def coverage_findings(gaps: Sequence[Gap], configuration: Configuration, catalogue: Catalogue) -> list[Finding]:
    """One finding for each gap; one for the target where the reason is the target's."""
    findings: dict[str, Finding] = {}
    lost = [gap for gap in gaps if not gap.path and not gap.key and gap.reason in LIST_GAPS]
    told_whole = {gap.reason for gap in lost if gap.reason in WHOLE_TARGET}
    if lost and len({gap.reason for gap in lost}) == 1 and not configuration.lists:
        told_whole.add(lost[0].reason)
    for gap in gaps:
        finding = _gap_finding(gap, catalogue, whole=gap.reason in told_whole)
        findings.setdefault(finding.fingerprint, finding)
    return list(findings.values())


def _gap_finding(gap: Gap, catalogue: Catalogue, *, whole: bool) -> Finding:
    kind = catalogue.types.get(gap.resource_type)
    title = kind.title if kind is not None else gap.resource_type
    words = gap.reason.replace("_", " ")
    if whole:
        message = f"SMART360 could not be read: {gap.detail or words}."
    elif gap.path or gap.key or gap.reason is Reason.NO_BASELINE:
        place = " ".join(part for part in (title, gap.key, gap.path) if part)
        message = f"{place} is not checked: {gap.detail or words}."
    else:
        message = f"The list {title} was not read: {gap.detail or words}."
    return Finding(
        kind=Kind.COVERAGE, rule=gap.reason.value, severity=_GAP_SEVERITY.get(gap.reason, Severity.HIGH),
        module=catalogue.module_of(gap.resource_type) if not whole else "",
        resource_type=CONFIGURATION if whole else gap.resource_type, key="" if whole else gap.key, path=gap.path,
        title=f"Not checked: {words}", message=message.replace("..", "."),
        why="What happened there since the last reading is unknown; it is not a sign that all is well.", fix=gap.mend,
    )  # fmt: skip


def _unchecked(
    configuration: Configuration, results: Mapping[str, Kept], packs: Packs, catalogue: Catalogue
) -> tuple[Unchecked, ...]:
    """Every gap, and every type that rules read and the document lacks, each with those rules."""
    waiting: dict[str, list[str]] = {}
    for rule in packs.rules:
        if results[rule.id].result.verdict is Verdict.UNDECIDED:
            for name in rule.types:
                if configuration.why_unknown(name) is not None:
                    waiting.setdefault(name, []).append(rule.id)
    found = [
        Unchecked(gap.resource_type, gap.path, gap.reason.value,
                  tuple(sorted(waiting.get(gap.resource_type, ()))) if not gap.path and not gap.key else (), gap.detail)
        for gap in configuration.gaps
    ]  # fmt: skip
    absent = [name for name in waiting if configuration.why_unknown(name) is Reason.ABSENT]
    found += [Unchecked(name, "", Reason.ABSENT.value, tuple(sorted(waiting[name]))) for name in absent]
    order = catalogue.order
    return tuple(
        sorted(found, key=lambda each: (order.get(catalogue.module_of(each.resource_type), 99), each.resource_type,
                                        each.path, each.reason))
    )  # fmt: skip
