"""Methods compared on the same patients left out; the recommendation keeps the simplest unless chance is unlikely."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from engine.evidence import cost
from engine.evidence.comparing import (
    Compared,
    agreement,
    compare_one,
    lead_chance,
    left_out_log_loss,
    recommend,
)
from engine.evidence.cost import measured
from engine.evidence.folds import judge_folds, leave_out
from engine.evidence.nouns import Tested as Result
from engine.evidence.ranges import exact_interval
from engine.learners import Support, SupportError, learner, learners
from engine.nouns import Note
from engine.sentences import say
from tests.engine.learners.test_learners import make_query, make_support


def support_of(count: int = 20, groups=None) -> Support:
    targets = torch.arange(2).repeat(count // 2)
    return Support(torch.randn(count, 4), targets, ("a", "b"), tuple(groups or map(str, range(count))))


def answered(name: str, support: Support, wrong: set[int]) -> Compared:
    """A method that is right but for the cases `wrong`."""
    names = [support.classes[int(t) if i not in wrong else 1 - int(t)] for i, t in enumerate(support.targets)]
    right, count = len(names) - len(wrong), len(names)
    tested = Result(right, count, *exact_interval(right, count), tuple(names), (0.9,) * count)
    return Compared(name, tested, 0.1, 0.01, 0, ())


def test_a_row_holds_what_leaving_out_and_adapting_give():
    support = make_support((5, 6), apart=6.0)
    query, targets = make_query(support, 4)
    ticks = []
    row = compare_one(learner("protonet"), support, leave_out(support), query, tick=lambda: ticks.append(1))
    assert len(ticks) == 11 + 1
    assert row.tested.count == 11 and row.answers == tuple(support.classes[t] for t in targets.tolist())
    assert row.seconds > 0 and 0 <= row.log_loss < 0.7
    assert Compared.from_json(json.loads(json.dumps(row.to_json()))) == row


def test_a_method_that_cannot_learn_is_a_row_with_its_reason():
    class Fails(type(learner("protonet"))):
        def adapt(self, support, **options):
            raise SupportError(Note("learners.diverged", {"name": "X"}))

    support = make_support((4, 4))
    row = compare_one(Fails(), support, leave_out(support), support.embeddings)
    assert row.refused.key == "learners.diverged" and row.tested.count == 0
    assert recommend([row], support) == (None, [Note("evidence.compare_untested")])
    assert Compared.from_json(row.to_json()) == row


def test_a_small_lead_is_chance_and_the_simplest_is_kept():
    support = support_of(10)
    simple, better = answered("protonet", support, {0, 1}), answered("maml", support, set())
    best, notes = recommend([better, simple], support)
    assert best == "protonet" and notes[0].key == "evidence.compare_tie"
    assert "within chance" in say(notes[0]) and "8 of 10" in say(notes[0])


def test_a_large_lead_wins_and_a_control_may_have_it():
    support = support_of(20)
    simple, control = answered("protonet", support, set(range(10))), answered("nearest", support, set())
    best, notes = recommend([simple, control], support)
    assert best == "nearest" and notes[0].key == "evidence.compare_better"
    assert lead_chance(control, simple, support) == pytest.approx(binomtest(10, 10).pvalue)


def test_more_rivals_need_a_larger_lead():
    support = support_of(20)
    simple, better = answered("protonet", support, set(range(7))), answered("maml", support, set())  # p = 0.016
    assert recommend([simple, better], support)[0] == "maml"
    others = [answered(f"other{i}", support, set(range(7))) for i in range(8)]
    assert recommend([simple, better, *others], support)[0] == "protonet"


def test_many_scans_of_one_patient_are_one_vote():
    """Ten scans of one patient, all won: one patient, which proves nothing."""
    support = support_of(20, ["same"] * 10 + [str(i) for i in range(10)])
    simple, better = answered("protonet", support, set(range(10))), answered("maml", support, set())
    assert lead_chance(better, simple, support) == 1.0
    assert recommend([simple, better], support)[0] == "protonet"


def test_a_recommendation_no_better_than_guessing_says_so():
    support = support_of(10)
    _, notes = recommend([answered("protonet", support, {0, 1, 2})], support)
    assert [n.key for n in notes] == ["evidence.compare_simplest", "evidence.compare_guessing"]


def test_labels_that_mean_nothing_recommend_the_simplest_nearly_always():
    """40 supports of noise: something else is recommended in at most one of ten (the level is one of twenty)."""
    chosen = []
    for seed in range(40):
        draw = torch.Generator().manual_seed(seed)
        support = Support(torch.randn(20, 10, generator=draw), torch.arange(2).repeat(10), ("a", "b"),
                          tuple(map(str, range(20))))  # fmt: skip
        folds = leave_out(support)
        rows = [compare_one(learner(name), support, folds, support.embeddings[:0]) for name in ("protonet", "nearest")]
        chosen.append(recommend(rows, support)[0])
    assert chosen.count("protonet") >= 36


@pytest.mark.parametrize("name", [each.name for each in learners("classes")])
def test_shuffled_labels_are_chance_for_every_method(name):
    """Real structure, labels thrown over it: right about half the time, and no set of answers beats guessing."""
    right = []
    for seed in range(6):
        support = make_support((5, 5), dimensions=20, apart=4.0, seed=seed)
        order = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
        shuffled = replace(support, targets=support.targets[order])
        tested = judge_folds(learner(name), shuffled, leave_out(shuffled)).tested(support.classes)
        right.append(tested.right / tested.count)
    # Leaving a case out makes its class rarer among the rest: chance lies a little below one half.
    assert np.mean(right) < 0.5 + 4 * 0.16 / 6**0.5  # 10 fair coins spread by 0.16


def test_log_loss_takes_no_temperature_from_the_case_it_judges():
    """One patient's own case can't choose its temperature: with it held, a wild score must cost more."""
    support = make_support((6, 6), apart=1.0)
    left_out = judge_folds(learner("protonet"), support, leave_out(support))
    wild = replace(left_out, scores=left_out.scores.clone())
    wild.scores[0] = torch.tensor([-30.0, 30.0])
    assert left_out_log_loss(wild) > left_out_log_loss(left_out) + 60 / 2 / 12 - 0.5  # at most halved, one of 12 cases
    assert left_out_log_loss(replace(left_out, scores=left_out.scores * torch.nan)) is None


def test_agreement_counts_equal_answers_and_leaves_out_what_nobody_answered():
    table = agreement([("a", "b", "", "a"), ("a", "a", "b", "a"), ("", "", "", "")])
    assert table[0][0] == 1.0 and table[0][1] == table[1][0] == pytest.approx(2 / 3)
    assert table[0][2] is None


def test_memory_is_the_kernels_mark_above_the_start_and_is_not_claimed_where_the_mark_stands_still(
    tmp_path, monkeypatch
):
    status = tmp_path / "status"

    def kernel(resident, highest):
        status.write_text(f"VmHWM:\t{highest} kB\nVmRSS:\t{resident} kB\n")

    monkeypatch.setattr(cost, "STATUS", status)
    monkeypatch.setattr(cost, "CLEAR", tmp_path / "clear_refs")
    monkeypatch.setattr(cost, "_counted", lambda: True)
    kernel(1000, 1000)
    assert measured(lambda: kernel(1100, 65_000))[2] == 64_000 * 1024
    monkeypatch.setattr(cost, "_counted", cache(cost.kernel_counts))
    for still in ((1000, 1000), (1000, 65_000)):  # a mark that never rises, and one that was never set back
        kernel(*still)
        cost._counted.cache_clear()
        assert measured(lambda: kernel(1100, 65_000))[2] is None


def test_memory_that_was_needed_is_seen_where_this_system_tells():
    """In a process of its own: what this one freed before would hide some of it."""
    asked = "from engine.evidence.cost import measured\nimport numpy as np\n"
    asked += "print(*measured(lambda: np.ones(8_000_000).sum()))"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    assert float(told[0]) == 8_000_000 and float(told[1]) > 0
    assert told[2] == "None" or int(told[2]) > 30e6  # 64 MB were asked for
