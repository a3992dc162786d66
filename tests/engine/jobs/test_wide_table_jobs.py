"""A table of 600 columns through the real jobs: kept, adapted, explained and asked again."""

from __future__ import annotations

import resource

import numpy as np
import pandas as pd

COLUMNS, ROWS = 600, 60
BYTES_2_GB = 2 * 1000**3


def wide() -> pd.DataFrame:
    """600 columns: one tells the class, one is constant, one empty, the others are noise."""
    rng = np.random.default_rng(0)
    ill = np.arange(ROWS) % 2
    frame = pd.DataFrame(rng.normal(size=(ROWS, COLUMNS - 3)).round(3), columns=[f"v{i}" for i in range(COLUMNS - 3)])
    frame["v7"] = (1.6 * ill + rng.normal(0, 0.8, ROWS)).round(3)
    frame["always one"], frame["never filled"] = 1, np.nan
    frame["outcome"] = np.where(ill, "ill", "well")
    return frame


def test_six_hundred_columns_are_kept_adapted_explained_and_asked_again(home):
    project = home.store.create_project("Wide").id
    home.drop(project, {"wide.csv": wide().to_csv(index=False).encode()})
    (draft,) = home.store.drafts(project)
    made = home.run(
        "keep_table", project=project, draft=draft.id, dictionary=draft.dictionary, label_from="outcome", teach=12
    )
    assert draft.columns == COLUMNS and made["cases"] == ROWS and made["labelled"] == 24
    roles = {e["name"]: e["role"] for e in draft.dictionary["entries"]}
    learned = {name for name, role in roles.items() if role == "feature"}
    assert len(learned) > 0.9 * COLUMNS and "v7" in learned
    assert roles["always one"] == roles["never filled"] == "ignored"
    for learner in ("protonet", "incontext"):
        run = home.store.run(home.run("adapt", project=project, learner=learner, seed=0)["run"])
        case = next(iter(home.store.predictions(run.id)))
        told = home.run("explain_row", run=run.id, case=case, method="ig")
        assert {b["column"] for b in told["columns"]} == learned
        asked = [
            home.run("what_if", run=run.id, case=case, values={"v7": value})["probabilities"]["ill"]
            for value in (-1, 4)
        ]
        assert asked[0] < asked[1], learner
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    assert 1024 * peak < BYTES_2_GB
