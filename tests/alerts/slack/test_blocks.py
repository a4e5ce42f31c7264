"""What a message says and how it looks, for every form and for any value."""

import json
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from alerts.alert import AlertKind, AlertReason, AlertStory, Message
from alerts.slack.blocks import LONGEST_BLOCKS, LONGEST_TEXT, payload, render, visible, visible_value
from alerts.slack.limits import breaches, size_of_blocks
from baselines.severity import Severity
from tests.alerts.slack.stories import FORMS, NOT_READ, RATE, READ_AT, RULE, STORY, acknowledged, event, healed, many

GOLDEN = Path(__file__).parents[2] / "golden" / "slack"
DATE_TOKEN = re.compile(r"<!date\^\d+\^\{date_short_pretty\} \{time\}\|[^<>|]*>")


def elements(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a message, nested ones too."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from elements(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from elements(each)


def said(message: Message) -> str:
    """All words of a message, in order."""
    return "".join(
        element.get("text") if isinstance(element.get("text"), str) else element.get("fallback", "")
        for element in elements(message.blocks)
    )


def assert_harmless(message: Message) -> None:
    """M5–M7: Slack accepts it, ours is shorter still, nothing in it is read as a mention or hides."""
    sent = payload(message)
    assert breaches(sent) == ()
    assert len(message.text) <= LONGEST_TEXT
    assert size_of_blocks(sent["blocks"]) <= LONGEST_BLOCKS
    assert "<" not in sent["text"]
    for element in elements(sent["blocks"]):
        if element.get("type") == "mrkdwn":
            assert "<" not in DATE_TOKEN.sub("", element["text"])
        if isinstance(element.get("text"), str):
            hidden = {c for c in element["text"] if unicodedata.category(c) in ("Cc", "Cf", "Cs")}
            assert hidden <= {"\n"}  # between the rows of a difference; a value's own is shown as ⏎


@pytest.mark.golden
@pytest.mark.parametrize("name", FORMS)
def test_a_form_looks_as_it_was_agreed(name: str) -> None:
    message = render(FORMS[name])
    told = {**payload(message), "thread": [[line.text, line.in_channel] for line in message.thread]}
    file = GOLDEN / f"{name}.json"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert json.loads(file.read_text(encoding="utf-8")) == told


def test_no_golden_file_is_left_over() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(FORMS)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_keeps_the_limits_and_slacks_own_models_read_it(name: str) -> None:
    message = render(FORMS[name])
    assert_harmless(message)
    for block in message.blocks:
        parsed = Block.parse(dict(block))
        assert parsed is not None
        parsed.validate_json()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(
            "one-finding",
            "Critical, swa/production: The first 4 kgal of Residential variable cost 41.00 instead of 4.10 USD. "
            "About +$7.1 million a month in all; next bill run BC-01 on 3 December 2026. Since Tue 24 Nov 06:12 PST.",
            id="how bad, where, what, at what cost, since when",
        ),
        pytest.param(
            "one-healed",
            "Resolved, swa/production: The first 4 kgal of Residential variable cost 41.00 instead of 4.10 USD. "
            "Healed. Open for 6 h 0 min.",
            id="how it ended",
        ),
        pytest.param(
            "many",
            "Critical, swa/staging: 12 new findings, 2 critical, 3 high, 4 medium, 3 low. "
            "Worst: Requirement 0 does not hold. Read Tue 24 Nov 06:12 PST, 87 of 87 lists.",
            id="many at once",
        ),
        pytest.param(
            "not-read",
            "Not read, swa/production: SMART360 refuses our log-in, 2 readings missed. "
            "Nothing can be said about it since then. 3 open findings stay open.",
            id="unknown is not well",
        ),
        pytest.param(
            "first-reading-nothing-wrong",
            "First reading, swa/production: no findings. Read Tue 24 Nov 06:12 PST, 87 of 87 lists.",
            id="nothing wrong",
        ),
    ],
)
def test_the_text_alone_is_enough(name: str, text: str) -> None:
    assert render(FORMS[name]).text == text


def test_only_the_lines_that_matter_are_told_and_the_rest_counted() -> None:
    words = said(render(FORMS["many"]))
    assert "Requirement 4 does not hold." in words
    assert "Requirement 5 does not hold." not in words
    assert "and 7 more: 4 medium, 3 low" in words


def test_the_one_open_finding_of_many_is_told_even_if_it_is_the_least() -> None:
    lines = (*map(healed, many(12)[:-1]), many(12)[-1])
    message = render(replace(STORY, revision=2, lines=lines))
    assert "Requirement 11 does not hold." in said(message)
    assert message.blocks[0]["text"]["text"] == "● 1 of 12 open · swa/production"


def test_a_line_keeps_its_place_when_others_heal() -> None:
    def order(message: Message) -> list[str]:
        return re.findall(r"Requirement \d+", said(message))

    lines = many(6)
    before = order(render(replace(STORY, lines=lines)))
    after = order(render(replace(STORY, revision=2, lines=(healed(lines[0]), *lines[1:]))))
    assert before == after == [f"Requirement {place}" for place in range(6)]


def test_without_pages_there_is_no_button_and_each_line_has_its_number() -> None:
    message = render(FORMS["without-pages"])
    assert not any(element.get("type") in ("actions", "link") for element in elements(message.blocks))
    assert "(N000)" in said(message)


def test_there_is_no_button_but_open() -> None:
    for story in FORMS.values():
        for element in elements(render(story).blocks):
            if element.get("type") == "button":
                assert element["action_id"] == "alert.open"
                assert element["url"].startswith("https://monitor.example/")


def test_b67_a_value_that_looks_like_markup_is_shown_and_pings_nobody() -> None:
    name = "<!channel> <@U1> <http://evil|click> *free* `x` &"
    line = replace(acknowledged(RATE, by=name), sentence=f"{name} is wrong.", old=name, new=name + "2", key=name)
    message = render(replace(STORY, revision=2, lines=(line,), utility=name, target=name))
    assert_harmless(message)
    assert name in said(message)
    assert "&lt;!channel&gt; &lt;@U1&gt;" in payload(message)["text"]


def test_a_value_of_any_length_and_alphabet_keeps_the_limits() -> None:
    emoji = "🚱" * 5000
    line = replace(RATE, sentence=emoji, key=emoji, path=emoji, old=emoji, new=emoji[1:], why=emoji, mend=emoji)
    for lines in ((line,), tuple(replace(line, number=str(n)) for n in range(12))):
        assert_harmless(render(replace(STORY, lines=lines, facts=((emoji, emoji),) * 9, unread=(emoji,) * 9)))


anything = st.builds(
    lambda text, times: (text * times)[:5000], st.text(st.characters(), max_size=40), st.sampled_from([1, 10, 1000])
)


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(anything, min_size=9, max_size=9),
    many_lines=st.booleans(),
    kind=st.sampled_from(AlertKind),
    state=st.sampled_from(["open", "acknowledged", "resolved"]),
    revision=st.integers(1, 2),
)
def test_no_value_breaks_a_limit_or_becomes_markup(
    texts: list[str], many_lines: bool, kind: AlertKind, state: str, revision: int
) -> None:
    sentence, key, path, old, new, why, mend, by, utility = texts
    line = replace(
        RATE, sentence=sentence, key=key, path=path, old=old, new=new, why=why, mend=mend, by=by, state=state,
        detail=by, changed_at=READ_AT,
    )  # fmt: skip
    lines = tuple(replace(line, number=f"N{n}") for n in range(12 if many_lines else 1))
    story = replace(
        STORY, kind=kind, lines=lines, utility=utility, facts=((key, why),), unread=(path, old),
        headline=sentence if many_lines else "", revision=revision,
        events=(event(AlertReason.ACKNOWLEDGED, "N0", by=by, note=mend),),
    )  # fmt: skip
    message = render(story)
    assert_harmless(message)
    for line_of_thread in message.thread:
        assert len(line_of_thread.text) < 1000


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\u200bb", "a⟨U+200B⟩b"),
        ("a\u061cb", "a⟨U+061C⟩b"),
        ("a\u2028b", "a⟨U+2028⟩b"),
        ("a\r\nb\tc", "a⏎b⇥c"),
        ("a\x1b[31m", "a⟨U+001B⟩[31m"),
        ("\ud800", "⟨U+D800⟩"),
        ("Größe 水", "Größe 水"),
    ],
)
def test_hidden_characters_are_made_visible(value: str, shown: str) -> None:
    assert visible(value, 80) == visible_value(value) == shown


def test_a_long_value_is_cut_in_the_middle_with_its_length() -> None:
    shown = visible_value("Dear customer, " + "x" * 400 + " Thank you")
    assert len(shown) == 80
    assert shown.startswith("Dear customer, ")
    assert "…(425 characters)…" in shown
    assert shown.endswith(" Thank you")


def test_the_thread_gains_nothing_with_the_first_post() -> None:
    story = replace(STORY, events=(event(AlertReason.OPENED, "7F3K"),))
    assert render(story).thread == ()
    assert len(render(replace(story, revision=2)).thread) == 1


@pytest.mark.parametrize(("severity", "in_channel"), [(Severity.CRITICAL, True), (Severity.HIGH, False)])
def test_only_a_critical_finding_that_comes_back_is_heard_in_the_channel(severity: Severity, in_channel: bool) -> None:
    line = replace(RATE, severity=severity, times_opened=2)
    message = render(replace(STORY, revision=2, lines=(line,), events=(event(AlertReason.REOPENED, "7F3K"),)))
    assert [each.in_channel for each in message.thread] == [in_channel]
    assert "Opened 2 times." in message.thread[0].text


def test_many_events_of_one_kind_are_one_line_in_the_thread() -> None:
    thread = render(FORMS["many-partly-healed"]).thread
    assert [line.text for line in thread] == [
        "Tue 24 Nov 12:12 PST Resolved: 11 findings, 2 critical, 2 high, 4 medium, 3 low."
    ]


@pytest.mark.parametrize(
    ("story", "link"),
    [
        (STORY, "https://monitor.example/findings/7F3K"),
        (replace(STORY, page="findings?sweep=8811"), "https://monitor.example/findings?sweep=8811"),
        (replace(STORY, lines=many(2)), "https://monitor.example/findings?target=swa/production"),
        (NOT_READ, "https://monitor.example/targets/swa/production/reading"),
        (replace(STORY, link=""), ""),
    ],
)
def test_open_leads_to_what_the_message_is_about(story: AlertStory, link: str) -> None:
    assert render(story).link == link


def test_readiness_is_one_only_if_nothing_fails() -> None:
    assert "0.999" in said(render(replace(STORY, readiness=0.99996, readiness_before=None)))
    assert "1.000" in said(render(replace(STORY, readiness=1.0, readiness_before=None)))


def test_plain_text_is_left_when_blocks_are_refused() -> None:
    plain = render(STORY).as_plain_text()
    assert plain.blocks == ()
    assert plain.text.endswith("https://monitor.example/findings/7F3K")
    assert (plain.alert_key, plain.revision) == (STORY.key, 1)


def test_what_several_findings_of_one_cause_cost_is_told_once():
    lines = (RATE, replace(RULE, money=RATE.money), replace(RULE, number="9DKP", money="another sum"))
    told = str(render(replace(STORY, lines=lines)).blocks)
    assert told.count("$153.04 → $308.02") == 1
    assert "another sum" in told
    over = (healed(RATE), RULE)
    assert "$153.04" not in str(render(replace(STORY, lines=over)).blocks)


def test_of_equally_bad_findings_the_text_tells_the_one_that_says_what_it_costs():
    told = render(replace(STORY, lines=(RULE, RATE))).text
    assert f"Worst: {RATE.sentence} {RATE.money_headline} Read" in told
    longest = render(replace(STORY, lines=(replace(RATE, sentence="x" * 400), RULE))).text
    assert RATE.money_headline in longest
    assert len(longest) <= 300
