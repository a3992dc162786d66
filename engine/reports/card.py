"""The model card of an adapted model (Mitchell et al. 2019, arXiv 1810.03993): what it is, for what, how good."""

from __future__ import annotations

import time
from collections.abc import Mapping

import engine
from engine.reports.facts import Facts
from engine.reports.methods import kinds, methods, references
from engine.reports.nouns import Block, Document, Heading, Text
from engine.reports.words import Words, moment
from engine.reports.writing import limits, report_part, warnings


def write_card(
    facts: Facts, language: str, hashes: Mapping[str, str] | None = None, now: float | None = None
) -> Document:
    """The card in one language, without pictures."""
    words = Words(language, facts.cases)
    run = facts.run
    what = words(
        "card_what",
        method=words.method(facts.record["learner"]),
        cases=len(facts.labelled),
        patients=facts.taught_patients,
        when=moment(run.at),
    )
    blocks: list[Block] = [
        Heading(words("card_details")),
        Text(what),
        *report_part("task", facts, words)[1:],
        Heading(words("card_use")),
        Text(words("card_use_is")),
        Text(words("card_not"), "warn"),
        Heading(words("card_factors")),
        Text(words("card_factors_is")),
        *(Text(each, "warn") for each in warnings(facts, words)),
        Heading(words("card_data")),
        Text(words("card_data_is", counts=kinds(facts, words))),
        Heading(words("card_metrics")),
        *report_part("tests", facts, words)[1:],
        *_methods(facts, words),
        Heading(words("card_ethics")),
        Text(words("card_ethics_is")),
        Heading(words("limits")),
        *(Text(each) for each in limits(facts, words)),
        *report_part("versions", facts, words, hashes),
    ]
    written = moment(time.time() if now is None else now)
    subtitle = words("subtitle", run=run.id, when=moment(run.at), version=engine.__version__, now=written)
    title = words("card_title", project=facts.project.name)
    return Document(title, subtitle, language, words("notice"), run.id, tuple(blocks), facts.classes)


def _methods(facts: Facts, words: Words) -> list[Block]:
    paragraphs = methods(facts, {}, words)
    return [*(Text(p) for p in paragraphs), *(Text(p) for p in references(paragraphs))]
