"""Facts and pictures of a run -> the blocks of its report, section by section."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import engine
from engine.evidence.ranges import exact_interval
from engine.reports.case_blocks import case_block
from engine.reports.chances import chance
from engine.reports.facts import Facts
from engine.reports.methods import kinds, methods, readers, references
from engine.reports.nouns import Block, Document, Heading, Table, Text
from engine.reports.pictures import Shown
from engine.reports.words import Words, moment, number, percent


def write_report(
    facts: Facts,
    shown: Mapping[str, Shown],
    language: str,
    hashes: Mapping[str, str] | None = None,
    now: float | None = None,
) -> Document:
    """The whole report in one language.

    shown: case id -> what was drawn of it, for the cases that get a block of their own; the others stand in the table
    of predictions alone. hashes: name of a file -> SHA-256, printed among the versions.
    """
    words = Words(language, facts.cases)
    blocks: list[Block] = [
        *_in_short(facts, words),
        *_task(facts, words),
        *_predictions(facts, words),
        *_tests(facts, words),
        *_checks(facts, words),
        *_cases(facts, shown, words),
        *_labels(facts, words),
        *_methods(facts, shown, words),
        *_limits(facts, words),
        *_versions(facts, hashes or {}, words),
    ]
    project, run = facts.project.name, facts.run
    return Document(
        words("title", project=project),
        words(
            "subtitle",
            run=run.id,
            when=moment(run.at),
            version=engine.__version__,
            now=moment(time.time() if now is None else now),
        ),
        language,
        words("notice"),
        f"{project} · {run.id}",
        tuple(blocks),
        facts.classes,
    )


def mine(facts: Facts) -> Mapping[str, Any] | None:
    """The strict test of the run as it looked; None while it is not there."""
    tests, look = facts.record.get("tests") or {}, facts.record.get("look", "whole")
    return tests.get(look) or (facts.record.get("tested") if look != "place" else None)


def counted(test: Mapping[str, Any]) -> dict[str, int]:
    return {"right": test["right"], "count": test["count"], "low": percent(test["low"]), "high": percent(test["high"])}


def warnings(facts: Facts, words: Words) -> list[str]:
    """The run's own warnings, in its order, each once."""
    return list(dict.fromkeys(words.note(each) for each in facts.record.get("notes", ())))


def _in_short(facts: Facts, words: Words) -> list[Block]:
    if facts.numeric:
        task = words("short_number", unit=f" ({words.unit(facts.unit)})" if facts.unit else "")
    else:
        task = words("short_task", classes=" / ".join(facts.classes))
    learned = words(
        "short_learned",
        method=words.method(facts.record["learner"]),
        cases=len(facts.labelled),
        patients=facts.taught_patients,
        asked=len(facts.predictions),
    )
    blocks: list[Block] = [Heading(words("in_short")), Text(words.sentences(task, learned))]
    test = mine(facts)
    if not facts.numeric:
        tested = test is not None and test["count"]
        key = "short_tested" if tested else "short_untested" if test is not None else "test_pending"
        blocks.append(Text(words(key, **(counted(test) if tested else {}))))
    found = len(warnings(facts, words))
    if found:
        blocks.append(Text(words("short_warnings", count=found), "warn"))
    if facts.stale:
        blocks.append(Text(words("short_stale"), "warn"))
    return blocks


def _task(facts: Facts, words: Words) -> list[Block]:
    same = facts.record.get("split", {}).get("same_patient", ())
    cases = words(
        "task_cases_are",
        cases=len(facts.cases),
        patients=facts.patients(list(facts.cases)),
        labelled=len(facts.labelled),
        asked=len(facts.predictions),
        unsure=facts.unsure,
        same=len(same),
    )
    rows = [(words("task_number"), words.unit(facts.unit) or words("none"))] if facts.numeric else []
    for at, (name, (count, patients)) in enumerate(facts.counts().items()):
        title = words("task_question") if at == 0 else ""
        rows.append((title, words("task_class", name=name, cases=count, patients=patients)))
    look = f"look_{facts.record.get('look', 'whole')}"
    names = [reader_name(each, words) for each in readers(facts)]
    rows += [
        (words("task_cases"), cases),
        (words("task_kinds"), kinds(facts, words)),
        (words("task_method"), words.method(facts.record["learner"])),
        (words("task_look"), words(look) if look in words else words("look_row")),
        (words("task_readers"), words.listed(names) or words("none")),
        (words("task_seed"), str(facts.record.get("seed", 0))),
    ]
    return [Heading(words("task")), Table((), tuple(rows), (0.2, 0.8))]


def reader_name(reader: str, words: Words) -> str:
    return {"": words("unknown_reader"), "demo": words("demo_reader")}.get(reader, reader)


def _predictions(facts: Facts, words: Words) -> list[Block]:
    if facts.numeric:
        head = [words(f"column_{c}") for c in ("case", "patient", "value", "interval", "unlike")]
        rows = [_number_row(facts, case, raw, words) for case, raw in facts.predictions.items()]
        note, shares = "predictions_number_note", (0.22, 0.18, 0.2, 0.22, 0.18)
    else:
        columns = ("case", "patient", "predicted", "probability", "range", "sets", "unlike")
        head = [words(f"column_{c}") for c in columns]
        rows = [_class_row(facts, case, raw, words) for case, raw in facts.predictions.items()]
        note, shares = "predictions_note", (0.14, 0.13, 0.19, 0.13, 0.13, 0.17, 0.11)
    return [Heading(words("predictions")), Text(words(note), "quiet"), Table(tuple(head), tuple(rows), shares)]


def _patient(facts: Facts, case: str, words: Words) -> str:
    return (facts.cases[case].patient[:8] if case in facts.cases else "") or words("none")


def _number_row(facts: Facts, case: str, raw: Mapping[str, Any], words: Words) -> tuple[str, ...]:
    unit = f" {words.unit(facts.unit)}" if facts.unit else ""
    interval = words("none")
    if raw.get("low") is not None and raw.get("high") is not None:
        interval = f"{number(raw['low'])} – {number(raw['high'])}{unit}"
    unlike = words("yes" if raw.get("unlike_flag") else "no")
    value = number(raw["value"]) + unit
    return words.case(case), _patient(facts, case, words), value, interval, unlike


def _class_row(facts: Facts, case: str, raw: Mapping[str, Any], words: Words) -> tuple[str, ...]:
    at = list(raw["classes"]).index(raw["predicted"])
    sets = facts.set_of(case)
    return (
        words.case(case),
        _patient(facts, case, words),
        raw["predicted"],
        chance(raw["probabilities"][at]),
        f"{raw['low'][at]:.2f} – {raw['high'][at]:.2f}",
        words.listed(sets) if sets else words("none"),
        words("yes" if raw["unlike_flag"] else "no"),
    )


def _tests(facts: Facts, words: Words) -> list[Block]:
    record, tests = facts.record, facts.record.get("tests") or {}
    name, look = words.method(record["learner"]), record.get("look", "whole")
    rows = []
    if (own := mine(facts)) is not None:
        rows.append((words("test_mine", method=name), own))
    for other in ("whole", "place"):
        if other != look and other in tests:
            rows.append((words(f"test_{other}", method=name), tests[other]))
    for control, test in tests.items():
        if control not in ("whole", "place", look, record["learner"]) and isinstance(test, Mapping):
            rows.append((words.method(control), test))
    rows = [(title, test) for title, test in rows if "right" in test]
    blocks: list[Block] = [Heading(words("tests")), *(Text(each) for each in _numbers_tested(facts, words))]
    if facts.numeric:
        return blocks if len(blocks) > 1 else []
    if not rows:
        return [*blocks, Text(words("test_pending"))]
    lines = tuple(_test_line(title, test, words) for title, test in rows)
    head = (words("column_of"), words("column_right"), words("column_exact"))
    return [*blocks, Text(words("tests_note"), "quiet"), Table(head, lines, (0.6, 0.18, 0.22))]


def _numbers_tested(facts: Facts, words: Words) -> list[str]:
    """A number's test on the labelled cases, and what came of rows whose answer was kept aside."""
    said, tested, held = [], facts.record.get("tested") or {}, facts.record.get("held_back") or {}
    unit = f" {words.unit(facts.unit)}" if facts.unit else ""
    if facts.numeric and tested.get("mae") is not None:
        plain = number(tested["mean_mae"]) + unit if tested.get("mean_mae") is not None else words("none")
        said.append(words("tested_number", count=tested["count"], mae=number(tested["mae"]) + unit, plain=plain))
    if "right" in held:
        said.append(words("held_back", **counted(held)))
    elif held.get("mae") is not None:
        said.append(words("held_back_number", count=held["count"], mae=number(held["mae"]) + unit))
        if "inside" in held:
            span = {"low": percent(held["low"]), "high": percent(held["high"])}
            said.append(words("held_back_inside", count=held["count"], inside=held["inside"], **span))
    return said


def _test_line(title: str, test: Mapping[str, Any], words: Words) -> tuple[str, str, str]:
    if not test["count"]:
        return title, words("none"), words("none")
    low, high = exact_interval(test["right"], test["count"])
    return title, f"{test['right']} / {test['count']}", f"{percent(low)} – {percent(high)} %"


def _checks(facts: Facts, words: Words) -> list[Block]:
    found = warnings(facts, words)
    blocks: list[Block] = [Heading(words("checks"))]
    blocks += [Text(each, "warn") for each in found] or [Text(words("checks_none"))]
    said: dict[str, list[str]] = {}
    for case in facts.cases.values():
        for note in case.case.notes:
            said.setdefault(words.note(note), []).append(words.case(case.id))
    if said:
        blocks.append(Text(words("checks_cases"), "quiet"))
        blocks += [Text(words("checks_remark", case=words.listed(on), text=text)) for text, on in said.items()]
    return blocks


def _cases(facts: Facts, shown: Mapping[str, Shown], words: Words) -> list[Block]:
    blocks = [
        case_block(facts, case, raw, shown[case], words) for case, raw in facts.predictions.items() if case in shown
    ]
    if not blocks:
        return []
    whole = len(blocks) == len(facts.predictions)
    note = words("cases_all_note") if whole else words("cases_note", count=len(blocks))
    return [Heading(words("cases")), Text(note, "quiet"), *blocks]


def _labels(facts: Facts, words: Words) -> list[Block]:
    head = tuple(words(f"column_{c}") for c in ("case", "patient", "label", "reader", "when", "pointed"))
    rows = tuple(
        (
            words.case(each.case),
            _patient(facts, each.case, words),
            each.label,
            reader_name(each.reader, words) if each.at is not None else words("none"),
            moment(each.at) if each.at is not None else words("none"),
            words("yes" if each.pointed else "no"),
        )
        for each in facts.labelled
    )
    shares = (0.18, 0.15, 0.2, 0.19, 0.18, 0.1)
    return [Heading(words("labels")), Text(words("labels_note"), "quiet"), Table(head, rows, shares)]


def _methods(facts: Facts, shown: Mapping[str, Shown], words: Words) -> list[Block]:
    paragraphs = methods(facts, shown, words)
    papers = references(paragraphs)
    blocks: list[Block] = [Heading(words("methods")), *(Text(p) for p in paragraphs)]
    if papers:
        blocks += [Text(words("references"), "quiet"), *(Text(p, "quiet") for p in papers)]
    return blocks


def limits(facts: Facts, words: Words) -> list[str]:
    """What the report must not be taken for; the first line is this run's own."""
    patients = facts.taught_patients
    low, _ = exact_interval(patients, patients)
    said = [] if facts.numeric else [words("limit_few", count=patients, low=percent(low))]
    names = ["where", "truth", "used", "device"]
    if any(kind in ("volume", "image") for kind, _, _ in facts.kinds()):
        names.insert(2, "maps")
    return said + [words(f"limit_{name}") for name in names]


def _limits(facts: Facts, words: Words) -> list[Block]:
    return [Heading(words("limits")), *(Text(each) for each in limits(facts, words))]


def _versions(facts: Facts, hashes: Mapping[str, str], words: Words) -> list[Block]:
    record = facts.record
    rows = [(words("v_run"), facts.run.id), (words("v_project"), facts.project.id)]
    if "marks" in record:
        rows.append((words("v_labels"), record["marks"]))
    rows += [(name, str(value)) for name, value in record.get("versions", {}).items()]
    rows += [(words(f"v_{what}"), str(value)) for what, value in record.get("hashes", {}).items() if value]
    rows += [(words("v_weights", file=name), value) for name, value in hashes.items()]
    if facts.audit_hash:
        rows.append((words("v_audit"), facts.audit_hash))
    seconds = record.get("seconds", {})
    if isinstance(seconds, Mapping) and "predictions" in seconds:
        rows.append((words("v_seconds"), words("v_seconds_is", seconds=f"{seconds['predictions']:.1f}")))
    return [Heading(words("versions")), Table((), tuple(rows), (0.34, 0.66))]


def report_part(name: str, facts: Facts, words: Words, hashes: Mapping[str, str] | None = None) -> list[Block]:
    """One section by name, for the model card: "task", "tests" or "versions"."""
    if name == "versions":
        return _versions(facts, hashes or {}, words)
    return {"task": _task, "tests": _tests}[name](facts, words)
