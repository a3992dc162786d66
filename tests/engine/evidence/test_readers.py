"""Agreement of readers: kappa is the textbooks', its interval counts patients, and what can't be said isn't."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from engine.evidence import readers, readers_numbers
from engine.evidence.readers import agree, differing, every_pair

CLASSES = ("a", "b", "c")


def two(first: str, second: str) -> dict[str, dict[str, str]]:
    """A letter a case for each reader; "." is no answer."""
    return {
        name: {f"case{i}": letter for i, letter in enumerate(said) if letter != "."}
        for name, said in (("A", first), ("B", second))
    }


def alone(answers) -> dict[str, str]:
    """Every case its own patient."""
    return {case: case for each in answers.values() for case in each}


def drawn(rng, count: int, agreeing: float) -> dict[str, dict[str, str]]:
    """Two readers who agree on that share of the cases and else say any class."""
    truth = rng.integers(0, 3, count)
    other = np.where(rng.random(count) < agreeing, truth, rng.integers(0, 3, count))
    return two("".join(CLASSES[t] for t in truth), "".join(CLASSES[o] for o in other))


@pytest.mark.parametrize("seed", range(5))
def test_two_readers_have_the_kappa_of_scikit_learn_and_their_table_adds_up(seed):
    answers = drawn(np.random.default_rng(seed), 40, 0.6)
    found = agree(answers, alone(answers), CLASSES)
    first, second = (list(each.values()) for each in answers.values())
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second))
    table = np.array(found.table)
    assert table.sum() == found.count == 40 and np.trace(table) == found.same
    assert table[0].sum() == first.count("a") and table[:, 1].sum() == second.count("b")
    assert found.kappa_low < found.kappa < found.kappa_high


def test_more_readers_have_the_kappa_of_fleiss_own_example():
    # Wikipedia, "Fleiss' kappa": 14 raters, 10 subjects, 5 classes, kappa 0.210 (the table of Fleiss 1971's method).
    counts = """0 0 0 0 14|0 2 6 4 2|0 0 3 5 6|0 3 9 2 0|2 2 8 1 1|7 7 0 0 0|3 2 6 3 0|2 5 3 2 2|6 5 2 1 0|0 2 2 3 7"""
    answers: dict[str, dict[str, str]] = {f"reader{r}": {} for r in range(14)}
    for case, row in enumerate(counts.split("|")):
        said = [str(k) for k, n in enumerate(map(int, row.split())) for _ in range(n)]
        for reader, answer in enumerate(said):
            answers[f"reader{reader}"][f"case{case}"] = answer
    found = agree(answers, alone(answers), tuple("01234"))
    assert found.kappa == pytest.approx(0.210, abs=0.0005)
    assert found.same == 1 and found.table is None and len(every_pair(answers, alone(answers), tuple("01234"))) == 91


def test_what_nobody_or_only_one_labelled_is_no_answer():
    answers = two("aab.b", "ab.ab")
    found = agree(answers, alone(answers), CLASSES)
    assert (found.count, found.same) == (3, 2)
    assert differing(answers) == ["case1"]


def test_without_a_second_class_there_is_no_kappa_and_with_full_agreement_no_interval():
    one = two("aaaaaa", "aaaaaa")
    assert agree(one, alone(one), CLASSES).kappa is None
    same = two("aabbab", "aabbab")
    found = agree(same, alone(same), CLASSES)
    assert found.kappa == 1 and found.kappa_low is None
    assert found.low == pytest.approx(0.025 ** (1 / 6))  # exact: 6 of 6 still allows 54 %
    nothing = two("aa..", "..bb")
    assert agree(nothing, alone(nothing), CLASSES).count == 0


def test_with_few_patients_no_interval_is_told_however_many_cases_they_have():
    answers = drawn(np.random.default_rng(0), 40, 0.6)
    patients = {f"case{i}": f"p{i % 4}" for i in range(40)}
    assert agree(answers, patients, CLASSES).kappa_low is None


def test_cases_of_the_same_patients_do_not_narrow_the_interval():
    answers = drawn(np.random.default_rng(1), 24, 0.6)
    copies = {
        name: {f"{case}-{k}": said for case, said in each.items() for k in range(5)} for name, each in answers.items()
    }
    whose = {case: case.split("-")[0] for case in copies["A"]}
    once, often = agree(answers, alone(answers), CLASSES), agree(copies, whose, CLASSES)
    assert often.kappa == pytest.approx(once.kappa)
    assert (often.kappa_low, often.kappa_high) == pytest.approx((once.kappa_low, once.kappa_high))


def test_the_interval_holds_the_true_kappa_about_as_often_as_it_says():
    # Readers who agree with share s and else say any of three classes: kappa is s in the long run.
    rng, held = np.random.default_rng(2), 0
    for _ in range(150):
        answers = drawn(rng, 30, 0.6)
        found = agree(answers, alone(answers), CLASSES, seed=int(rng.integers(1 << 30)))
        held += found.kappa_low <= 0.6 <= found.kappa_high
    assert held >= 0.88 * 150  # resampling is a little narrow with 30 patients; measured 0.93 (docs/readers.md)


def test_the_limits_of_agreement_are_those_of_bland_and_altman():
    # Bland & Altman 1986, table 1: PEFR by Wright and by mini Wright meter, first measurements, 17 subjects.
    wright = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
    answers = {
        "mini": {f"s{i}": float(v) for i, v in enumerate(mini)},
        "wright": {f"s{i}": float(v) for i, v in enumerate(wright)},
    }
    found = readers_numbers.limits(answers, {f"s{i}": f"s{i}" for i in range(17)})
    # The paper: mean -2.1, limits -79.7 and 75.5 (with 2 s; here 1.96), interval of the mean -22.0 to 17.8.
    assert found.mean == pytest.approx(-2.1, abs=0.05)
    assert found.mean_interval == pytest.approx((-22.0, 17.8), abs=0.1)
    assert (found.lower, found.upper) == pytest.approx((-78.1, 73.9), abs=0.1)


def test_two_patients_are_too_few_for_limits():
    answers = {"A": {"x": 1.0, "y": 2.0, "z": 3.0}, "B": {"x": 1.5, "y": 2.0, "z": 2.0}}
    found = readers_numbers.limits(answers, {"x": "p", "y": "p", "z": "q"})
    assert (found.count, found.patients, found.mean) == (3, 2, None)
    assert readers.differing(answers) == ["x", "z"]
