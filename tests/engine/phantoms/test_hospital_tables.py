"""Synthetic hospital tables: the truth comes out again, hospitals differ, nothing passes for a real patient."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rdkit import Chem
from sklearn.linear_model import LinearRegression, LogisticRegression

from engine.phantoms.tables import (
    SYNTHETIC,
    TABLES,
    emergency,
    make_table,
    medication,
    molecules,
    own_table,
    stay,
    surgery,
)
from engine.phantoms.tables.columns import Choice, draw_choices
from engine.phantoms.tables.fhir import bundle
from engine.phantoms.tables.writing import write_tables
from engine.tables import Table, first_table, propose, read_tables
from engine.tables.visits import summarise_visits

FAMILIES = (medication.FAMILY, emergency.FAMILY, surgery.FAMILY, stay.FAMILY)
MANY = 6000  # rows: a coefficient's standard error is then about 0.08 of log odds


def design(family, table) -> tuple[list[tuple[str, str]], np.ndarray]:
    """All numbers as z-scores, the answers that drive the label and those that don't, hospitals: names and (n, d)."""
    columns = {(m.name, ""): m.z(table.complete[m.name].to_numpy()) for m in family.measures}
    driving = {(e.column, e.level) for e in family.effects if e.level}
    for choice in family.choices:
        levels = [a for a in choice.shares if (choice.name, a) in driving] or list(choice.shares)[1:]
        columns |= {(choice.name, a): (table.complete[choice.name] == a).to_numpy(float) for a in levels}
    for hospital in table.hospitals[1:]:
        columns["hospital", hospital.name] = (table.complete["hospital"] == hospital.name).to_numpy(float)
    return list(columns), np.stack(list(columns.values()), 1)


def recovered(family, table, x: np.ndarray) -> dict[str, np.ndarray]:
    """Class -> coefficients (d,) against the first class, by a regression that knows nothing of the truth."""
    label = table.complete[family.label].to_numpy()
    if family.number:
        return {"": LinearRegression().fit(x, np.log(label)).coef_}
    codes = np.array([family.classes.index(each) for each in label])
    fit = LogisticRegression(C=1000, max_iter=3000).fit(x, codes)
    rows = fit.coef_ if len(fit.coef_) > 1 else np.concatenate([0 * fit.coef_, fit.coef_])
    return {name: rows[i] - rows[0] for i, name in enumerate(family.classes) if i}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.task)
def test_a_regression_finds_the_effects_that_were_put_in_and_none_elsewhere(family):
    table = family.make(5, MANY)
    names, x = design(family, table)
    effects = {(e.on, e.column, e.level): e.strength for e in family.effects}
    near = 0.06 if family.number else 0.45  # about four standard errors
    for on, coefficients in recovered(family, table, x).items():
        for name, found in zip(names, coefficients, strict=True):
            if name[0] != "hospital":
                assert found == pytest.approx(effects.get((on, *name), 0.0), abs=near), (on, name)
        pairs = [
            (effects.get((on, *n), 0.0), c) for n, c in zip(names, coefficients, strict=True) if n[0] != "hospital"
        ]
        assert np.corrcoef(np.transpose(pairs))[0, 1] > 0.92


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.task)
def test_hospitals_practise_as_the_truth_says(family):
    table = family.make(6, MANY)
    names, x = design(family, table)
    first = table.hospitals[0].practice
    for on, coefficients in recovered(family, table, x).items():
        for hospital in table.hospitals[1:]:
            found = coefficients[names.index(("hospital", hospital.name))]
            told = hospital.practice.get(on, 0.0) - first.get(on, 0.0)
            assert found == pytest.approx(told, abs=0.06 if family.number else 0.5)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.task)
def test_what_is_missing_depends_on_how_sick_a_patient_is(family):
    table = family.make(7, MANY)
    for gap in family.gaps:
        writes = ~table.frame["hospital"].isin([h.name for h in table.hospitals if gap.column in h.absent])
        blank = table.frame[gap.column].isna().to_numpy()[writes]
        assert blank.mean() == pytest.approx(gap.share, abs=0.12)
        difference = table.frailty[writes][blank].mean() - table.frailty[writes][~blank].mean()
        if abs(gap.sick) >= 0.3:
            assert np.sign(difference) == -np.sign(gap.sick)
            assert abs(difference) > 0.1


def test_rising_weight_and_its_companions_drive_the_follow_up():
    table = make_table("follow-up", 3, 900)
    wide = summarised(table).frame
    y = (wide[table.truth.label] == "worsened").to_numpy(float)
    # A mean says nearly what the latest value says, so that a regression could take either.
    columns = [c for c in wide.columns if c.endswith((" latest", " slope", " count"))]
    values = wide[columns].apply(lambda c: c.fillna(c.median()).rank() / len(c)).to_numpy()
    fit = LogisticRegression(C=1.0, max_iter=3000).fit((values - 0.5) / 0.29, y)
    found = dict(zip(columns, fit.coef_[0], strict=True))
    for effect in table.truth.effects:
        assert np.sign(found[effect.column]) == np.sign(effect.strength)
    assert set(sorted(found, key=lambda c: -abs(found[c]))[:3]) == set(table.truth.driving)


def summarised(table):
    """The visits of a made table, a row a patient, as a project keeps them."""
    frame = table.frame.assign(date=table.frame["date"].astype("datetime64[s]"))
    made = Table("visits", frame, np.arange(len(frame)))
    return summarise_visits(made, propose(made, label=table.truth.label))


def test_activity_follows_the_known_substructures_and_their_atoms():
    table = make_table("molecule-activity", 2, 900)
    active = (table.frame["activity"] == "active").to_numpy()
    has = np.stack(
        [
            [Chem.MolFromSmiles(s).HasSubstructMatch(Chem.MolFromSmarts(e.level)) for s in table.frame["smiles"]]
            for e in table.truth.effects
        ],
        1,
    ).astype(float)
    assert (has.mean(0) > 0.08).all()
    found = LogisticRegression(C=1000).fit(has, active).coef_[0]
    assert found == pytest.approx([e.strength for e in table.truth.effects], abs=0.7)
    weights = molecules.atoms("CNS(=O)(=O)c1ccc(C(=O)O)cc1")
    sulfonamide, acid = table.truth.effects[0].strength, table.truth.effects[2].strength
    assert weights[[1, 2, 3, 4, 5]] == pytest.approx(sulfonamide / 5)  # N, S, O, O and the ring's atom
    assert weights[[9, 10, 11]] == pytest.approx(acid / 3)
    assert np.flatnonzero(weights == 0).tolist() == [0, 6, 7, 8, 12, 13]


def test_molecules_are_valid_different_and_of_a_drugs_size():
    smiles = make_table("molecule-activity", 4).frame["smiles"]
    parsed = [Chem.MolFromSmiles(s) for s in smiles]
    assert all(parsed)
    assert smiles.nunique() == len(smiles)
    assert 12 < np.median([m.GetNumHeavyAtoms() for m in parsed]) < 32


@pytest.mark.parametrize("task", TABLES)
def test_the_same_seed_gives_the_same_table_and_another_one_another(task):
    one, two, other = (make_table(task, seed, 90) for seed in (1, 1, 2))
    assert one.frame.equals(two.frame)
    assert not one.frame.equals(other.frame)


@pytest.mark.parametrize("task", TABLES)
def test_every_row_of_every_table_says_that_it_is_synthetic(task):
    table = make_table(task, 1, 90)
    assert table.frame[table.site].str.startswith(SYNTHETIC).all()
    for hospital in table.hospitals:
        own = own_table(table, hospital)
        assert own[hospital.heading(table.patient)].str.startswith("SYN-").all()


@pytest.mark.parametrize("task", TABLES)
def test_hospitals_write_the_same_patients_in_headings_units_and_codes_of_their_own(task):
    table = make_table(task, 1, 90)
    headings = [tuple(own_table(table, hospital).columns) for hospital in table.hospitals]
    assert len(set(headings)) == len(headings)
    assert any("\u4e00" <= c <= "\u9fff" for name in headings[2] for c in name)
    labels = [set(own_table(table, h)[h.heading(table.truth.label)]) for h in table.hospitals]
    if table.truth.target == "class":
        assert not labels[1] & labels[2]


def test_a_hospitals_own_units_convert_back_to_the_common_ones():
    table = make_table("diabetes-medication", 1)
    b = table.hospitals[1]
    own, joined = own_table(table, b), table.frame[table.frame["hospital"] == b.name].reset_index(drop=True)
    # IFCC to NGSP and mmol/L to mg/dL, as printed in tables of conversions: 53 mmol/mol is 7.0 %, 10 mmol/L 180 mg/dL.
    assert (own["HbA1c (mmol/mol)"] * 0.0915 + 2.15 - joined["hba1c"]).abs().max() < 0.08
    assert (own["Glucose (mmol/L)"] * 18.016 - joined["glucose"]).abs().max() < 1.0
    assert "previous_admissions" not in own


def test_the_files_are_marked_read_and_understood_without_help(tmp_path):
    files = write_tables(tmp_path / "all", 1)
    assert {p.parent.name for p in files if p.suffix == ".csv"} == set(TABLES)
    assert all(SYNTHETIC in p.name for p in files if p.suffix == ".csv")
    (tmp_path / "joined").mkdir()
    for task in TABLES:
        (tmp_path / "all" / task / f"synthetic-{task}.csv").rename(tmp_path / "joined" / f"{task}.csv")
    read = {table.name: table for table in read_tables(tmp_path / "joined").tables}
    for task in TABLES:
        truth = json.loads((tmp_path / "all" / task / "truth.json").read_text("utf-8"))
        assert truth["what"].startswith("Synthetic")
        roles = {e.name: e.role for e in propose(read[f"{task}.csv"])}
        if truth["target"] == "class":
            assert roles[truth["label"]] == "label"
        assert "leak" not in roles.values()
        if task != "follow-up":  # the columns that drive it come with the summary
            assert {roles[name] for name in truth["driving"]} <= {"feature", "molecule"}


def test_the_bundle_reads_as_records_with_units_and_no_names(tmp_path):
    joined = make_table("diabetes-medication", 1)
    (tmp_path / "records.json").write_text(json.dumps(bundle(joined, joined.hospitals[0])))
    table = first_table(tmp_path / "records.json")
    own = joined.frame[joined.frame["hospital"] == "synthetic A"].drop_duplicates("patient_id")
    assert len(table) == len(own)
    found = table.frame["Hemoglobin A1c/Hemoglobin.total in Blood latest"]
    assert sorted(found.dropna()) == sorted(own["hba1c"].dropna())
    assert propose(table).one("label") == "regimen latest"


def test_answers_are_drawn_as_often_as_their_shares_say():
    choice = Choice("x", {"a": 0.7, "b": 0.2, "c": 0.1})
    drawn = draw_choices((choice,), np.zeros(20_000), np.random.default_rng(0))["x"]
    for answer, share in choice.shares.items():
        assert (drawn == answer).mean() == pytest.approx(share, abs=0.015)
