"""How a story looks in Slack. Pure: the same story gives the same message.

Severity is shape and word. What comes from a configuration, a person or an error stands only in elements
that Slack does not parse (``rich_text``, ``plain_text``), with hidden characters made visible; a tariff
called ``<!channel>`` pings nobody. Limits hold by construction: texts are cut as they are placed, lines
are left out from the least severe end and counted in words.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from alerts.alert import AlertEvent, AlertKind, AlertLine, AlertReason, AlertStory, Message, ThreadLine
from alerts.slack.limits import size_of_blocks
from baselines.severity import Severity, worst
from rules.lifecycle import State
from rules.quiet import Quiet

LONGEST_TEXT = 300
LONGEST_HEADER = 140
LONGEST_SENTENCE = 300
LONGEST_FACT = 500
LONGEST_VALUE = 80
LONGEST_BLOCKS = 9_000
MOST_LINES = 10
FEWEST_LINES = 5  #: lines told even if none is urgent; more only for critical and high ones
MOST_FACTS = 5
MOST_COSTS = 3  #: of several findings; those of one cause say the same and are told once
MOST_TYPES = 4
MOST_QUIET = 3  #: reasons for which further findings are told in no message
MOST_EVENTS = 3  #: of one reason in one revision; more are told in one line

NOT_READ, RESOLVED = "◪", "✓"
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # categories of characters that have no shape of their own
_REASONS = {
    AlertReason.OPENED: "New",
    AlertReason.CHANGED: "Changed",
    AlertReason.ACKNOWLEDGED: "Acknowledged",
    AlertReason.REMINDER: "Still open",
    AlertReason.RESOLVED: "Resolved",
    AlertReason.REOPENED: "Back",
    AlertReason.BULK: "Many at once",
    AlertReason.WINDOW: "Held until now, still open",
    AlertReason.ENDED: "Quiet until now, still open",
    AlertReason.SNOOZED: "Snoozed",
    AlertReason.EXPECTED: "Announced",
    AlertReason.WAIVED: "Waived",
    AlertReason.WOKEN: "Taken back",
    AlertReason.ASSIGNED: "Assigned",
    AlertReason.ENDING: "Its waiver ends",
}

Element = dict[str, Any]


def render(story: AlertStory) -> Message:
    """The message of one revision: text, blocks, and what its thread gains."""
    lines = sorted(story.lines, key=lambda line: line.severity.rank)  # stable: a line keeps its place for good
    is_detailed = len(lines) == 1 and story.kind not in (AlertKind.SUMMARY, AlertKind.WAIVER, AlertKind.FLEET)
    told = lines if is_detailed else _worth_telling(lines, story)
    blocks = _blocks(story, lines, told, is_detailed=is_detailed)
    while size_of_blocks(blocks) > LONGEST_BLOCKS and told:
        told = told[:-1]
        blocks = _blocks(story, lines, told, is_detailed=is_detailed)
    return Message(
        alert_key=story.key,
        revision=story.revision,
        text=_text(story, lines),
        blocks=tuple(blocks),
        thread=_thread(story),
        link=_page(story),
    )


def payload(message: Message) -> dict[str, Any]:
    """The arguments of ``chat.postMessage`` for a message, without the channel (M3, M5, M10)."""
    return {
        **text_only(message.text),
        "blocks": [dict(block) for block in message.blocks],
        "metadata": {
            "event_type": "smart360_alert",
            "event_payload": {"alert_key": message.alert_key, "revision": message.revision},
        },
    }


def text_only(text: str) -> dict[str, Any]:
    """A plain text such that Slack reads nothing into it: no markup, mention, link or preview."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {
        "text": escaped,
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def visible(text: str, longest: int) -> str:
    """A value as people may see it: hidden characters by their number, the end cut off."""
    shown = _unhidden(text, longest)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def visible_value(text: str) -> str:
    """The same, but cut in the middle, since two long values often differ at the end; with its length."""
    shown = _unhidden(text, len(text))
    if len(shown) <= LONGEST_VALUE:
        return shown
    gap = f"…({len(text)} characters)…"
    kept = LONGEST_VALUE - len(gap)
    return shown[: kept - kept // 2] + gap + shown[len(shown) - kept // 2 :]


def _unhidden(text: str, longest: int) -> str:
    """At least ``longest`` characters of a text, without any that hide or reorder others."""
    return "".join(
        {"\n": "⏎", "\r": "⏎", "\t": "⇥"}.get(character, f"⟨U+{ord(character):04X}⟩")
        if unicodedata.category(character) in _HIDDEN
        else character
        for character in text.replace("\r\n", "\n")[: longest + 1]
    )


def _blocks(
    story: AlertStory, lines: Sequence[AlertLine], told: Sequence[AlertLine], *, is_detailed: bool
) -> list[Element]:
    body = _detail(story, told[0]) if is_detailed and told else _overview(story, lines, told)
    blocks: list[Element] = [
        {"type": "header", "block_id": "h", "text": _plain(_header(story, lines), LONGEST_HEADER)},
        {"type": "rich_text", "block_id": "what", "elements": [*body, *_announced(story, lines)]},
    ]
    if story.link:
        button = {"type": "button", "action_id": "alert.open", "text": _plain(_label(story, lines), 30)}
        blocks.append({"type": "actions", "block_id": "act", "elements": [button | {"url": _page(story)}]})
    blocks.append({"type": "context", "block_id": "foot", "elements": _foot(story, lines)})
    return blocks


def _header(story: AlertStory, lines: Sequence[AlertLine]) -> str:
    still_open = [line for line in lines if not line.is_resolved]
    is_settled = bool(lines) and not still_open
    if story.kind is AlertKind.FLEET:
        part = f"{len(still_open):,} of " if len(still_open) < len(lines) else ""
        return f"{RESOLVED} Resolved · {story.target}" if is_settled else f"{part}{story.target} · same change"
    if story.kind is AlertKind.PROPOSAL:
        what = f"{RESOLVED} Settled" if is_settled else "Approval wanted"
    elif story.kind is AlertKind.NOT_READ:
        missing = story.lists_total - story.lists_read
        part = f"{missing:,} of {story.lists_total:,} lists not read" if story.lists_read else "Not read"
        what = f"{RESOLVED} Read again" if is_settled else f"{NOT_READ} {part}"
    elif story.kind is AlertKind.WAIVER:
        what = "A waiver ends"
    elif story.first_reading:
        what = "First reading"
    elif is_settled:
        what = f"{RESOLVED} Resolved"
    elif len(lines) == 1:
        what = f"{_mark(lines[0])} {_severity(lines[0])}"
    elif lines:
        mark = min(still_open, key=lambda line: line.severity.rank)
        what = f"{_mark(mark)} {_how_many(story, lines)}"
    else:
        what = "Nothing wrong"
    return f"{what} · {story.target}"


def _how_many(story: AlertStory, lines: Sequence[AlertLine]) -> str:
    """``12 new findings``, ``12 findings`` or ``1 of 12 open``."""
    still_open = sum(not line.is_resolved for line in lines)
    if still_open < len(lines):
        return f"{still_open:,} of {len(lines):,} open"
    return _number_of(len(lines), "new finding" if story.revision == 1 and not story.first_reading else "finding")


def _detail(story: AlertStory, line: AlertLine) -> list[Element]:
    """Everything about one finding: the sentence, old and new value, why, since, how to mend."""
    sentence = _linked(story, line, is_bold=not line.is_resolved)
    if line.is_resolved:
        return [_section(sentence, *_resolved(story, line))]
    body = [_section(_t(_over(story, line)))] if _over(story, line) else []
    body.append(_section(sentence, *_state(story, line), *_remark(story)))
    if line.kind == "drift":
        body.append({"type": "rich_text_preformatted", "elements": [_t(_difference(line))]})
    reason = "Reason" if story.kind is AlertKind.NOT_READ else "Why"
    facts = [
        *([] if line.kind in ("drift", "proposal") or not line.resource_type else [("Where", _place(line))]),
        (reason, line.why),
        ("Cost", line.money),
        *story.facts[:MOST_FACTS],
        *_unread(story),
    ]
    bullets = [_bullet(label, _t(visible(text, LONGEST_FACT))) for label, text in facts if text]
    bullets.append(_bullet("Since", _date(story, line.since)))
    if line.mend:
        bullets.append(_bullet("Mend", _t(visible(line.mend, LONGEST_FACT))))
    return [*body, {"type": "rich_text_list", "style": "bullet", "elements": bullets}]


def _over(story: AlertStory, line: AlertLine) -> str:
    """That the time for which a finding was quiet is over, until it is quiet again."""
    is_so = story.kind is AlertKind.FINDINGS and line.quiet is None and not line.is_resolved
    return visible(story.headline, LONGEST_SENTENCE) if is_so else ""


def _overview(story: AlertStory, lines: Sequence[AlertLine], told: Sequence[AlertLine]) -> list[Element]:
    """Many findings: counts, then the worst of them, one line each, then how many more."""
    intro = [visible(story.headline, LONGEST_SENTENCE)] if story.headline else []
    if story.first_reading:
        read = f"{_number_of(story.objects, 'object')} in {_lists(story)}, {_number_of(story.rules, 'rule')}"
        intro.append(f"{read}: {_how_many(story, lines) if lines else 'nothing wrong found'}.")
    counts = _counts(lines) or _endings(lines)
    still = "Open: " if 0 < sum(line.is_resolved for line in lines) < len(lines) else ""
    intro += [f"{still}{counts}."] if counts else []
    intro += [f"Readiness {_readiness(story)}."] if story.readiness is not None else []
    types = Counter(line.resource_type for line in lines if not line.is_resolved)
    if story.kind is AlertKind.SUMMARY and len(types) > 1 and len(lines) > len(told):
        most = [f"{visible(name, 40)} {number:,}" for name, number in types.most_common(MOST_TYPES)]
        most += [_number_of(len(types) - MOST_TYPES, "other type")] if len(types) > MOST_TYPES else []
        intro.append(f"Where: {', '.join(most)}.")
    body = [_section(_t(" ".join(intro) or "Nothing is wrong."), *_remark(story))]
    if told:
        items = [
            _section(_t(f"{_mark(line)} "), _linked(story, line, is_bold=not line.is_resolved), *_state(story, line))
            for line in told
        ]
        body.append({"type": "rich_text_list", "style": "ordered", "elements": items})
    if len(lines) > len(told):
        body.append(_section(_more(story, lines, told)))
    costs = dict.fromkeys(line.money for line in told if line.money and not line.is_resolved)
    facts = [("Cost", text) for text in list(costs)[:MOST_COSTS]]
    facts += [(label, text) for label, text in (*story.facts[:MOST_FACTS], *_unread(story)) if text]
    if facts:
        bullets = [_bullet(label, _t(visible(text, LONGEST_FACT))) for label, text in facts]
        body.append({"type": "rich_text_list", "style": "bullet", "elements": bullets})
    return body


def _event_of(story: AlertStory) -> int | None:
    """The fleet event that all of a message is part of."""
    events = {line.fleet for line in story.lines}
    return events.pop() if story.kind is not AlertKind.FLEET and len(events) == 1 else None


def _worth_telling(lines: Sequence[AlertLine], story: AlertStory) -> Sequence[AlertLine]:
    """The worst lines, open ones before resolved ones, in the order they always had.

    Lines that tell of the same rule as one above are only counted: the one above says how many.
    """
    if _event_of(story) is not None:
        return lines[:1]  # told there
    firsts = [line for line in lines if not line.like_another]
    if len(lines) > FEWEST_LINES and len(firsts) < len(lines):
        lines = firsts
    urgent = sum(line.severity.at_least(Severity.HIGH) for line in lines)
    most = MOST_LINES if story.kind is AlertKind.SUMMARY else max(FEWEST_LINES, min(MOST_LINES, urgent))
    most = FEWEST_LINES if story.kind is AlertKind.FLEET else most
    if len(lines) <= most + 1:  # "and 1 more" is no shorter than the line itself
        return lines
    places = sorted(range(len(lines)), key=lambda place: lines[place].is_resolved)  # stable: the worst first
    return [lines[place] for place in sorted(places[:most])]


def _more(story: AlertStory, lines: Sequence[AlertLine], told: Sequence[AlertLine]) -> Element:
    told_numbers = {line.number for line in told}
    rest = [line for line in lines if line.number not in told_numbers]
    resolved = sum(line.is_resolved for line in rest)
    parts = [*_counts(rest).split(" · "), f"{resolved:,} resolved" if resolved else ""]
    words = f"and {len(lines) - len(told):,} more: {', '.join(filter(None, parts))}"
    return {"type": "link", "url": _page(story), "text": words} if story.link else _t(words)


def _difference(line: AlertLine) -> str:
    """Place, approved value, present value, as a diff."""
    place = _place(line)
    if not line.path and line.op in ("added", "removed"):
        return f"{place}\n{'+ added' if line.op == 'added' else '− removed'}"
    if line.old is not None and line.old == line.new:
        return f"{place}\n{visible_value(line.old)}"  # a secret: its values are never told (M8)
    old, new = (visible_value("absent" if value is None else value) for value in (line.old, line.new))
    width = max(len(old), len(new)) if max(len(old), len(new)) <= 24 else 0
    rows = [
        "" if line.op == "added" else f"− {old:<{width}}   approved",
        "" if line.op == "removed" else f"+ {new:<{width}}   now",
    ]
    return "\n".join(filter(None, [place, *rows]))


def _place(line: AlertLine) -> str:
    path = f" › {visible_value(line.path)}" if line.path else ""
    return f"{visible(line.resource_type, 60)} {visible_value(line.key)}{path}"


def _state(story: AlertStory, line: AlertLine) -> list[Element]:
    """What a line gains after its sentence: healed, acknowledged, back again."""
    if line.is_resolved:
        return [_t(f" {RESOLVED} {_resolution(line)}"), *_at(story, line.changed_at)]
    is_part = line.fleet is not None and story.kind is not AlertKind.FLEET
    part = [_t(f" Part of fleet event {line.fleet}: it came on other targets too.")] if is_part else []
    quiet = [_t(f" {_capital(_expected(story, line.quiet))}.")] if line.quiet is not None else []
    back = [_t(f" {_back(line)}")] if line.times_opened > 1 else []
    whose = [_t(f" Assigned to {visible(line.assignee, LONGEST_VALUE)}.")] if line.assignee else []
    if line.state == "acknowledged":
        return [*part, *back, *quiet, *whose, _t(f" Acknowledged{_by(line.by)}"), *_at(story, line.changed_at)]
    return [*part, *back, *quiet, *whose]


def _back(line: AlertLine) -> str:
    return f"{'Flapping' if line.is_flapping else 'Back'}, opened {line.times_opened} times."


def _expected(story: AlertStory, quiet: Quiet) -> str:
    """``announced (CHG-123, until 18:00)``; with the day where it is another one."""

    def when(at: datetime) -> str:
        local, read = (each.astimezone(ZoneInfo(story.zone)) for each in (at, story.read_at))
        return f"{local:%H:%M}" if local.date() == read.date() else _when(story, at)

    return visible(quiet.words(when, story.read_at), LONGEST_SENTENCE)


def _announced(story: AlertStory, lines: Sequence[AlertLine]) -> list[Element]:
    """How many more are wrong, of which nobody is told because they are expected."""
    if all(line.is_resolved for line in lines):
        return []
    most = sorted(story.announced, key=lambda each: -each[1])[:MOST_QUIET]
    told = [f"{count:,} more {'is' if count == 1 else 'are'} {_expected(story, each)}." for each, count in most]
    rest = sum(count for _, count in story.announced) - sum(count for _, count in most)
    told += [f"{rest:,} more {'is' if rest == 1 else 'are'} quiet for other reasons."] if rest else []
    return [_section(_t(" ".join(told)))] if told else []


def _resolved(story: AlertStory, line: AlertLine) -> list[Element]:
    ended = line.changed_at or story.read_at
    return [
        _t(f" {RESOLVED} {_resolution(line)}. Open for {_duration(line.since, ended)}, from "),
        _date(story, line.since),
        _t(" to "),
        _date(story, ended),
        _t("."),
    ]


def _resolution(line: AlertLine) -> str:
    if line.kind == "coverage" and line.resolution == "healed":
        return "read again"
    return visible(line.detail or line.resolution or "resolved", 120)


def _remark(story: AlertStory) -> list[Element]:
    """With data missing nothing may look well that is only unknown."""
    if story.kind is not AlertKind.NOT_READ:
        return []
    where = "in the lists not read" if story.lists_read else "there"
    stay = f" {_stay_open(story)}" if story.stay_open else ""
    return [_t(f" What happened {where} since then is unknown; this is not a sign that all is well.{stay}")]


def _stay_open(story: AlertStory) -> str:
    return f"{_number_of(story.stay_open, 'open finding')} stay{'s' if story.stay_open == 1 else ''} open."


def _unread(story: AlertStory) -> list[tuple[str, str]]:
    if not story.unread:
        return []
    named = ", ".join(story.unread[:8])
    more = f" and {len(story.unread) - 8:,} more" if len(story.unread) > 8 else ""
    return [("Lists not read", visible(named, LONGEST_FACT - len(more)) + more)]


def _foot(story: AlertStory, lines: Sequence[AlertLine]) -> list[Element]:
    token = f"<!date^{int(story.read_at.timestamp())}^{{date_short_pretty}} {{time}}|{_when(story, story.read_at)}>"
    read = f"{'Read' if story.lists_read else 'Tried'} {token} · {_lists(story)}"
    read = f"As of {token}" if story.kind is AlertKind.FLEET else read
    elements: list[Element] = [{"type": "mrkdwn", "text": read, "verbatim": True}]
    if story.utility.strip():
        elements.append(_plain(story.utility, LONGEST_VALUE))
    if len(lines) == 1:
        elements.append(_plain(f"{lines[0].kind} {lines[0].number}", LONGEST_VALUE))
        if story.readiness is not None:
            elements.append(_plain(f"readiness {_readiness(story)}", LONGEST_VALUE))
    return elements


def _text(story: AlertStory, lines: Sequence[AlertLine]) -> str:
    """How bad, where, what, at what cost, since when, in one breath; the sentence is cut, the rest kept (M3)."""
    still_open = [line for line in lines if not line.is_resolved]
    # Of equally bad ones, one that says what it costs.
    first = min(still_open or lines, key=lambda line: (line.severity.rank, not line.money_headline), default=None)
    is_settled = bool(lines) and not still_open
    sentence = story.headline or (first.sentence if first else "Nothing is wrong.")
    tail = ""
    match story.kind:
        case AlertKind.NOT_READ:
            lead = "Read again" if is_settled else "Not read"
            if not is_settled:
                tail = f"{_lists(story)} read. " if story.lists_read else "Nothing can be said about it since then. "
                tail += _stay_open(story) if story.stay_open else ""
        case AlertKind.FLEET:
            lead = "Resolved" if is_settled else _severity(first) if first else ""
            states = Counter(line.state for line in lines)
            tail = ", ".join(f"{states[each]:,} {each}" for each in State if states[each]) + "."
            return _fitted(f"{lead}, many targets:", sentence, tail)
        case AlertKind.PROPOSAL:
            lead = "Settled" if is_settled else "Approval wanted"
        case AlertKind.WAIVER:
            lead = "A waiver ends"
            tail = f"{_number_of(len(still_open), 'finding')} told again after it, if still wrong."
        case _ if len(lines) == 1 and story.kind is AlertKind.FINDINGS and first is not None:
            lead, sentence = ("Resolved" if is_settled else _severity(first)), first.sentence
            if is_settled:
                ended = first.changed_at or story.read_at
                tail = f"{_capital(_resolution(first))}. Open for {_duration(first.since, ended)}."
            else:
                back = f"{_back(first)} " if first.times_opened > 1 else ""
                seen = f"Acknowledged{_by(first.by)}. " if first.state == "acknowledged" else ""
                seen += f"{_capital(_expected(story, first.quiet))}. " if first.quiet is not None else ""
                tail = f"{first.money_headline} {_over(story, first)} {back}{seen}Since {_when(story, first.since)}."
        case _:
            worst_word = _severity(first) if first else "Nothing wrong"
            lead = "First reading" if story.first_reading else "Resolved" if is_settled else worst_word
            counts = (_counts(lines) or _endings(lines)).replace(" · ", ", ")
            number = f"all {len(lines):,}" if is_settled else _how_many(story, lines) if lines else "no findings"
            sentence = f"Worst: {first.sentence}" if first and not is_settled else ""
            cost = first.money_headline if first and not is_settled else ""
            tail = f"{cost} Read {_when(story, story.read_at)}, {_lists(story)}."
            return _fitted(f"{lead}, {story.target}: {number}{', ' * bool(counts)}{counts}.", sentence, tail)
    return _fitted(f"{lead}, {story.target}:", sentence, tail)


def _fitted(lead: str, sentence: str, tail: str) -> str:
    lead, tail = visible(lead, 110), visible(" ".join(tail.split()), 170)
    left = LONGEST_TEXT - len(lead) - len(tail) - 2
    return " ".join(filter(None, [lead, visible(sentence, left), tail]))


def _thread(story: AlertStory) -> tuple[ThreadLine, ...]:
    """What the thread gains with this revision; the first one says it all itself."""
    if story.revision == 1:
        return ()
    lines = {line.number: line for line in story.lines}
    told: list[ThreadLine] = []
    by_reason: dict[AlertReason, list[AlertEvent]] = {}
    for event in sorted(story.events, key=lambda event: event.at):
        by_reason.setdefault(event.reason, []).append(event)
    for reason, events in by_reason.items():
        known = [lines[event.number] for event in events if event.number in lines]
        steady = [line.severity for line in known if not line.is_flapping]
        is_loud = reason is AlertReason.REOPENED and worst(steady) is Severity.CRITICAL
        if len(events) <= MOST_EVENTS:
            told += [
                ThreadLine(_happened(story, event, lines.get(event.number)), in_channel=is_loud) for event in events
            ]
        else:
            counts = ", ".join(f"{number:,} {word}" for word, number in _by_severity(known))
            text = f"{_when(story, events[-1].at)} {_REASONS[reason]}: {_number_of(len(events), 'finding')}, {counts}."
            told.append(ThreadLine(text, in_channel=is_loud))
    return tuple(told)


def _happened(story: AlertStory, event: AlertEvent, line: AlertLine | None) -> str:
    word = _REASONS[event.reason]
    if event.reason is AlertReason.RESOLVED and line is not None:
        word = _capital(_resolution(line))
    sentence = line.sentence if line is not None else story.headline
    note = f" “{visible(event.note, LONGEST_FACT)}”" if event.note else ""
    again = f" Opened {line.times_opened} times." if line is not None and line.times_opened > 1 else ""
    again = again if event.reason is AlertReason.REOPENED else ""
    return f"{_when(story, event.at)} {word}{_by(event.by)}: {visible(sentence, LONGEST_SENTENCE)}{again}{note}"


def _page(story: AlertStory) -> str:
    """Where the message leads: the page the story names, else its only finding, else the target's findings."""
    if not story.link:
        return ""
    page = story.page
    if (event := _event_of(story)) is not None:
        page = f"fleet-events/{event}"
    if not page and len(story.lines) == 1 and story.kind is AlertKind.FINDINGS:
        page = f"findings/{quote(story.lines[0].number, safe='')}"
    elif not page and story.kind is AlertKind.NOT_READ:
        page = f"targets/{quote(story.target)}/reading"
    return f"{story.link.rstrip('/')}/{page or 'findings?' + urlencode({'target': story.target}, safe='/')}"


def _linked(story: AlertStory, line: AlertLine, *, is_bold: bool) -> Element:
    style = {"style": {"bold": True}} if is_bold else {}
    text = visible(line.sentence.strip(), LONGEST_SENTENCE) or line.number
    if not story.link:
        return {"type": "text", "text": f"{text} ({line.number})", **style}
    is_finding = story.kind in (AlertKind.FINDINGS, AlertKind.SUMMARY, AlertKind.FLEET)
    url = f"{story.link.rstrip('/')}/findings/{quote(line.number, safe='')}" if is_finding else _page(story)
    return {"type": "link", "url": url, "text": text, **style}


def _label(story: AlertStory, lines: Sequence[AlertLine]) -> str:
    if story.kind is AlertKind.PROPOSAL and any(not line.is_resolved for line in lines):
        return "Review and approve"
    return f"Open all {len(lines):,}" if len(lines) > 1 else "Open"


def _mark(line: AlertLine) -> str:
    return NOT_READ if line.kind == "coverage" else line.severity.mark


def _severity(line: AlertLine) -> str:
    return _capital(line.severity.value)


def _by_severity(lines: Iterable[AlertLine]) -> list[tuple[str, int]]:
    counts = Counter(line.severity for line in lines)
    return [(severity.value, counts[severity]) for severity in Severity if counts[severity]]


def _counts(lines: Iterable[AlertLine]) -> str:
    """Of the open ones: ``2 critical · 3 high``."""
    still_open = [line for line in lines if not line.is_resolved]
    return " · ".join(f"{number:,} {word}" for word, number in _by_severity(still_open))


def _endings(lines: Iterable[AlertLine]) -> str:
    """``11 healed · 1 accepted``."""
    endings = Counter(visible(line.resolution, 40) or "resolved" for line in lines)
    return " · ".join(f"{number:,} {word}" for word, number in endings.most_common())


def _lists(story: AlertStory) -> str:
    return f"{story.lists_read:,} of {story.lists_total:,} lists"


def _readiness(story: AlertStory) -> str:
    now, before = story.readiness, story.readiness_before
    told = [_ratio(value) for value in (before, now) if value is not None]
    return " → ".join(dict.fromkeys(told))


def _ratio(value: float) -> str:
    return f"{value if value == 1 else min(round(value, 3), 0.999):.3f}"  # 1.000 only if nothing fails


def _number_of(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _by(name: str) -> str:
    return f" by {visible(name, LONGEST_VALUE)}" if name else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _duration(start: datetime, end: datetime) -> str:
    minutes = max(0, int((end - start).total_seconds() // 60))
    days, hours = minutes // 1440, minutes // 60 % 24
    return f"{days:,} d {hours} h" if days else f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _when(story: AlertStory, at: datetime) -> str:
    """``Tue 24 Nov 06:12 PST``, in the target's zone."""
    local = at.astimezone(ZoneInfo(story.zone))
    return f"{local:%a} {local.day} {local:%b %H:%M %Z}"


def _at(story: AlertStory, at: datetime | None) -> list[Element]:
    return [] if at is None else [_t(", "), _date(story, at)]


def _date(story: AlertStory, at: datetime) -> Element:
    """A time that Slack shows in each reader's own zone."""
    form = "{date_short_pretty} {time}"
    return {"type": "date", "timestamp": int(at.timestamp()), "format": form, "fallback": _when(story, at)}


def _t(text: str) -> Element:
    return {"type": "text", "text": text}


def _plain(text: str, longest: int) -> Element:
    return {"type": "plain_text", "text": visible(text, longest), "emoji": False}


def _section(*elements: Mapping[str, Any]) -> Element:
    return {"type": "rich_text_section", "elements": list(elements)}


def _bullet(label: str, value: Element) -> Element:
    return _section({"type": "text", "text": f"{visible(label, 40)}: ", "style": {"bold": True}}, value)
