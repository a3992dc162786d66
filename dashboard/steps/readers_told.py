"""What a comparison of readers says in words: counts before percentages, each figure with its range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.state import Page
from dashboard.steps.tested import values
from dashboard.words import Words

# Landis & Koch 1977 (Biometrics 33:159), table on p. 165: the upper end of each word.
_WORDS = ((0.0, "below"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"), (1.0, "almost"))


def called(words: Words, name: str) -> str:
    """A reader's name, or that none was given."""
    return name or words("readers.nobody")


def kappa_word(kappa: float) -> str:
    return next(word for end, word in _WORDS if kappa <= end or end == 1.0)


def agreement(page: Page, found: Mapping[str, Any]) -> list[str]:
    """A sentence or two a pair; before them those of all readers together, where there are more than two."""
    words = page.words
    if found["number"]:
        return [sentence for pair in found["pairs"] for sentence in _limits(page, pair)]
    said = []
    if found["all"]:
        said.append(_sentence(words, found["all"], words("readers.agree_all", readers=len(found["all"]["readers"]),
                                                         **_counts(found["all"]))))  # fmt: skip
    for pair in found["pairs"]:
        who = words("readers.and").join(called(words, name) for name in pair["readers"])
        if not pair["count"]:
            said.append(words("readers.agree_none", who=who))
        else:
            said.append(_sentence(words, pair, words("readers.agree", who=who, **_counts(pair))))
    return said


def _counts(pair: Mapping[str, Any]) -> dict[str, int]:
    return values({**pair, "right": pair["same"]})


def _sentence(words: Words, pair: Mapping[str, Any], start: str) -> str:
    return start + words.between + _kappa(words, pair) if pair["count"] else start


def _kappa(words: Words, pair: Mapping[str, Any]) -> str:
    if pair["kappa"] is None:
        return words("readers.kappa_none")
    if pair["same"] == pair["count"]:
        return words("readers.kappa_perfect", n=pair["count"], low=round(100 * pair["low"]))
    if pair["kappa_low"] is None:
        return words("readers.kappa_alone", kappa=_two(pair["kappa"]))
    low, high = (words(f"readers.word_{kappa_word(pair[key])}") for key in ("kappa_low", "kappa_high"))
    word = words("readers.word_one" if low == high else "readers.word_range", low=low, high=high)
    return words("readers.kappa", kappa=_two(pair["kappa"]), low=_two(pair["kappa_low"]),
                 high=_two(pair["kappa_high"]), patients=pair["patients"], word=word)  # fmt: skip


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "\u2212")


def _limits(page: Page, pair: Mapping[str, Any]) -> list[str]:
    words = page.words
    a, b = (called(words, name) for name in pair["readers"])
    if pair["mean"] is None:
        return [words("readers.limits_few", a=a, b=b, n=pair["count"], patients=pair["patients"])]
    ends = {f"{name}_{end}": page.amount(value) for name in ("lower", "upper")
            for end, value in zip(("low", "high"), pair[f"{name}_interval"], strict=True)}  # fmt: skip
    low, high = (page.amount(value) for value in pair["mean_interval"])
    return [
        words("readers.limits", a=a, b=b, mean=page.amount(pair["mean"]), low=low, high=high, n=pair["count"],
              patients=pair["patients"]),
        words("readers.limits_between", lower=page.amount(pair["lower"]), upper=page.amount(pair["upper"]), **ends),
    ]  # fmt: skip


def method(words: Words, found: Mapping[str, Any]) -> str:
    return words(
        "readers.limits_method"
        if found["number"]
        else "readers.kappa_method_all"
        if found["all"]
        else "readers.kappa_method"
    )


def models(page: Page, found: Mapping[str, Any]) -> tuple[list[str], list[Sequence[str]]]:
    """Head and rows: a model a row, a column for each reader whose labels it is held against."""
    words = page.words
    names = [each["reader"] for each in found["taught"]]
    if found["number"]:
        return [words("readers.taught_by"), words("runs.off")], [
            [called(words, each["reader"]), _off(page, each)] for each in found["taught"]
        ]
    head = [words("readers.taught_by"), *(words("readers.held", name=called(words, name)) for name in names)]
    rows = []
    for each in found["taught"]:
        if "refused" in each:
            cells = [page.note(each["refused"]), *("" for _ in names[1:])]
        else:
            cells = [_right(words, each if name == each["reader"] else each["against"][name]) for name in names]
        rows.append([called(words, each["reader"]), *cells])
    return head, rows


def _right(words: Words, counts: Mapping[str, Any]) -> str:
    return words("readers.right_of", **values(counts)) if counts["count"] else words("readers.right_none")


def _off(page: Page, each: Mapping[str, Any]) -> str:
    if "refused" in each:
        return page.note(each["refused"])
    if each["mae"] is None:
        return page.words("readers.right_none")
    return page.words("readers.off_by", mae=page.amount(each["mae"]), n=each["count"])


def answers(page: Page, found: Mapping[str, Any]) -> list[str]:
    """How alike the models answer, two by two."""
    words, said = page.words, []
    for pair in found["answers"]:
        if not pair["count"]:
            continue
        a, b = (called(words, name) for name in pair["readers"])
        if "apart" in pair:
            said.append(words("readers.answers_apart", a=a, b=b, n=pair["count"], apart=page.amount(pair["apart"])))
        else:
            said.append(words("readers.answers", a=a, b=b, **_counts(pair)))
    return said
