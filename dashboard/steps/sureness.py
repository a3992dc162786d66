"""How sure one prediction is, beyond its bars: what can't be excluded, how many agree, how its models differ."""

from __future__ import annotations

from dashboard.predicted import Predicted
from dashboard.state import Page

LEVELS = ("0.9", "0.8")  # the highest that the labelled patients allow is told
FEWEST = {"0.8": 4, "0.9": 9}  # patients a class below which nothing can be excluded (engine.evidence.conformal)


def sure_sentences(page: Page, prediction: Predicted) -> list[str]:
    return [*_set(page, prediction), *_agreement(page, prediction), *_samples(page, prediction)]


def _set(page: Page, prediction: Predicted) -> list[str]:
    """The classes that can't be excluded, at the highest level that holds for every class; or what is missing."""
    words, sets = page.words, page.run.record.get("sets")
    if not sets:
        return []  # the test is still running, or the run is an old one
    if prediction.unlike:
        return [words("evidence.set_unlike")]
    classes = page.run.record["classes"]
    for level in LEVELS:
        found = sets["levels"].get(level)
        if found and len(found["promises"]) == len(classes) and prediction.case in found["cases"]:
            names = found["cases"][prediction.case]
            key = "evidence.set_all" if len(names) == len(classes) else "evidence.set"
            return [words(key, names=words("evidence.or").join(names), percent=round(100 * float(level)))]
    fewest = min(sets["patients"], key=lambda name: sets["patients"][name])
    return [
        words("evidence.set_too_few", few=FEWEST["0.8"], more=FEWEST["0.9"], name=fewest, n=sets["patients"][fewest])
    ]


def _agreement(page: Page, prediction: Predicted) -> list[str]:
    comparison = page.comparison
    if not comparison or prediction.case not in comparison["asked"]:
        return []
    at = comparison["asked"].index(prediction.case)
    answers = [row["answers"][at] for row in comparison["methods"] if row["answers"]]
    same = sum(answer == prediction.predicted for answer in answers)
    return [page.words("evidence.methods_agree", same=same, total=len(answers), name=prediction.predicted)]


def _samples(page: Page, prediction: Predicted) -> list[str]:
    if prediction.sampled is None:
        return []
    low, high = prediction.sampled[prediction.predicted]
    return [page.words("evidence.samples", low=f"{low:.2f}", high=f"{high:.2f}")]
