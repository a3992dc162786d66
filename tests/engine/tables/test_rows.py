"""From a table to numbers: fitted on the labelled rows, each other row on its own, nobody on both sides."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from engine.sentences import Refusal, say
from engine.tables import molecules, propose
from engine.tables.aligning import aligned
from engine.tables.patients import parted, patient_codes, site_codes
from engine.tables.rows import Plan, apply, check_classes, fit, targets
from tests.engine.tables.made_tables import KEY, table_of

N, RNG = 60, np.random.default_rng(0)
SUPPORT, QUERY = np.arange(20), np.arange(20, N)


def made(**more):
    x = RNG.normal(50, 9, N)
    columns = {
        "patient_id": [f"P{i:04d}" for i in range(N)],
        "age": x.round(0) + 0.5,
        "crp": np.where(np.arange(N) % 4 == 0, np.nan, RNG.lognormal(1, 1, N)),
        "sex": np.where(np.arange(N) * 7 % 5 < 2, "m", "f").tolist(),
        "stage": np.array(["none", "mild", "severe"])[np.arange(N) % 3].tolist(),
        "drug": np.array(["A", "B", "C", "D"])[np.minimum(np.arange(N) // 6, 3)].tolist(),
        "label": np.where(np.arange(N) % 2 == 0, "ill", "well").tolist(),
    }
    return table_of(**(columns | more))


def fitted(table, support=SUPPORT):
    dictionary = propose(table, label="label", patient="patient_id" if "patient_id" in table.columns else None)
    return dictionary, fit(table, dictionary, support)


def test_numbers_are_scaled_by_the_support_alone_as_scikit_learn_does():
    table = made()
    rows = apply(fitted(table)[1], table)
    scaler = StandardScaler().fit(table.frame[["age"]].iloc[SUPPORT])
    want = np.clip(scaler.transform(table.frame[["age"]])[:, 0], -6, 6)
    assert np.allclose(rows.values[:, rows.names.index("age")], want, atol=1e-6)


def test_what_is_said_of_one_row_does_not_depend_on_which_others_are_asked():
    table = made()
    dictionary, plan = fitted(table)
    together = apply(plan, table, QUERY)
    for position, row in enumerate(QUERY):
        alone = apply(plan, table, [row])
        assert np.array_equal(alone.values[0], together.values[position])
        assert np.array_equal(alone.missing[0], together.missing[position])


def test_all_rows_asked_in_another_order_come_in_that_order():
    table = made()
    plan = fitted(table)[1]
    turned = np.arange(N)[::-1]
    assert np.array_equal(apply(plan, table, turned).values, apply(plan, table).values[::-1])


def test_other_queries_in_the_table_change_nothing_for_the_plan():
    table = made()
    other = table.take(np.arange(N))
    other.frame.loc[QUERY, "age"] = 1e6
    other.frame.loc[QUERY, "drug"] = "Z"
    dictionary = propose(table, label="label", patient="patient_id")
    assert fit(table, dictionary, SUPPORT) == fit(other, dictionary, SUPPORT)


def test_missing_stays_known_and_counts_as_the_mean():
    table = made()
    rows = apply(fitted(table)[1], table)
    place = rows.names.index("crp")
    assert rows.missing[:, place].tolist() == table.frame["crp"].isna().tolist()
    assert not rows.values[rows.missing[:, place], place].any()
    assert rows.masked[place] and rows.flat().shape == (N, len(rows.names) + rows.masked.sum())


def test_a_category_of_two_is_one_column_an_ordinal_keeps_its_order_and_new_levels_are_counted():
    table = made()
    rows = apply(fitted(table)[1], table)
    assert [n for n in rows.names if n.startswith("sex")] == ["sex = m"]
    stage = rows.values[:, rows.names.index("stage")]
    assert stage[0] < stage[1] < stage[2]
    assert [n for n in rows.names if n.startswith("drug")] == ["drug = A", "drug = B", "drug = C", "drug = D"]
    strange = made(drug=["A", "B"] * 10 + ["never seen"] * 40)
    assert apply(fitted(strange)[1], strange).unseen.tolist() == [0] * 20 + [1] * 40


def test_columns_that_say_nothing_on_the_support_are_left_out_and_named():
    table = made(ward=["A"] * 20 + ["B"] * 40)
    dictionary, _ = fitted(table)
    plan = fit(table, dictionary.change("ward", role="feature"), SUPPORT)
    assert "ward" not in {c.column for c in plan.columns}
    assert "ward" in say(plan.notes[0])
    with pytest.raises(Refusal):
        fit(
            table_of(label=["a", "b"] * 5, same=[1.0] * 10),
            propose(table_of(label=["a", "b"] * 5, same=[1.0] * 10)),
            np.arange(4),
        )


def test_a_plan_survives_json():
    table = made()
    _, plan = fitted(table)
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan and np.array_equal(apply(again, table).values, apply(plan, table).values)


def test_leaks_patients_and_labels_never_become_numbers():
    table = made(death_date=np.where(np.arange(N) % 2 == 0, "2020-01-01", None).tolist())
    dictionary, plan = fitted(table)
    assert dictionary["death_date"].role in ("leak", "ignored")
    assert {c.column for c in plan.columns} == {"age", "crp", "sex", "stage", "drug"}


def test_a_date_counts_as_days_since_the_date_of_its_row_and_never_as_a_calendar_day():
    admitted = np.datetime64("2020-01-01", "s") + RNG.integers(0, 900, N) * 86_400
    waited = RNG.integers(1, 30, N)
    table = made(admission_date=admitted, operation_date=admitted + waited * 86_400)
    dictionary, plan = fitted(table)
    assert dictionary.one("date") == "admission_date"
    rows = apply(plan, table)
    want = (waited - waited[SUPPORT].mean()) / waited[SUPPORT].std()
    assert np.allclose(rows.values[:, rows.names.index("operation_date")], want, atol=1e-5)
    assert "admission_date" not in rows.names


def test_molecules_become_fragments_and_descriptors():
    smiles = ["CC(=O)Oc1ccccc1C(=O)O", "CC(=O)NC1=CC=C(O)C=C1", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "bad("] * 5
    table = table_of(smiles=smiles, label=["a", "b", "a", "b"] * 5)
    found = {"smiles": molecules.read(smiles)}
    rows = apply(
        fit(table, propose(table, label="label", smiles="smiles"), np.arange(8), found), table, molecules=found
    )
    assert rows.values.shape == (20, 2048 + 329 + 20) and rows.missing[3].all() and not rows.missing[0].any()
    assert rows.values[0, : 2048 + 329] == pytest.approx(np.log1p(found["smiles"].counts[0].astype(float)))


def refusal(call, *args, **kwargs) -> str:
    with pytest.raises(Refusal) as caught:
        call(*args, **kwargs)
    assert say(caught.value.note, "en") and say(caught.value.note, "zh")
    return caught.value.note.key


def test_targets_are_classes_in_natural_order_or_numbers_and_bad_ones_are_refused():
    table = made(label=np.array([2.0, 10, 1])[np.arange(N) % 3])
    y, classes = targets(table, propose(table, label="label"))
    assert classes == ("1", "2", "10") and y[:3].tolist() == [1, 2, 0]
    number = made(label=RNG.normal(size=N))
    y, classes = targets(number, propose(number, label="label"))
    assert classes == () and y.dtype == np.float64
    part = made(label=["ill", None] * 30)
    assert refusal(targets, part, propose(part, label="label")) == "refused.label_one_value"
    assert refusal(targets, made(), propose(made(), label="label"), number=True) == "refused.label_not_number"
    plain = table_of(age=RNG.normal(size=30), weight=RNG.normal(size=30))
    assert refusal(targets, plain, propose(plain)) == "refused.no_label"


def test_a_class_with_one_row_is_named_with_its_row():
    table = made(label=["rare"] + ["ill", "well"] * 29 + ["ill"])
    (note,) = check_classes(table, propose(table, label="label"), SUPPORT)
    assert note.values == {"column": "label", "label": "rare", "row": 2}


def test_the_same_patient_in_both_parts_is_refused_or_grouped_and_said():
    table = made(patient_id=[f"P{i % 50:04d}" for i in range(N)])
    codes = patient_codes(table, propose(table, label="label", patient="patient_id"), KEY)
    assert refusal(parted, codes, SUPPORT, QUERY, table.lines) == "refused.shared_patients"
    parts = parted(codes, SUPPORT, QUERY, table.lines, shared="group")
    assert parts.query.tolist() == list(range(20, 50)) and parts.notes[0].values["count"] == 10
    assert not {codes[i] for i in parts.support} & {codes[i] for i in parts.query}


def test_without_a_patient_column_the_same_row_twice_is_one_patient():
    table = table_of(age=[50.0, 60, 50], sex=["m", "f", "m"], label=["a", "b", "b"])
    codes = patient_codes(table, propose(table, label="label"), KEY)
    assert codes[0] == codes[2] != codes[1]


def test_a_patient_number_has_one_code_in_text_and_in_excel_and_another_with_another_key():
    dictionary = propose(made(), label="label", patient="patient_id")
    text, number = made(patient_id=[str(100 + i) for i in range(N)]), made(patient_id=np.arange(100.0, 100 + N))
    assert patient_codes(text, dictionary, KEY) == patient_codes(number, dictionary, KEY)
    assert patient_codes(text, dictionary, KEY)[0] != patient_codes(text, dictionary, b"x" * 32)[0]


def test_sites_are_coded_and_a_row_without_one_has_none():
    table = made(hospital=["North", None] + ["South"] * 58)
    codes = site_codes(table, propose(table, label="label", patient="patient_id").change("hospital", role="site"), KEY)
    assert codes[1] == "" and len(set(codes)) == 3 and "North" not in codes


def test_a_second_file_is_brought_to_the_first_ones_columns_or_refused():
    table = made()
    dictionary, plan = fitted(table)
    second = table_of(
        AGE=["50", "old", "70"], sex=["m", "f", "m"], drug=["A", "B", "C"], crp=[1.0, 2, 3], extra=[1, 2, 3]
    )
    query = aligned(second, dictionary)
    keys = [n.key for n in query.notes]
    assert keys == ["table.not_numbers", "table.absent_columns"] and "stage" in say(query.notes[1])
    rows = apply(plan, query)
    assert rows.missing[:, rows.names.index("stage")].all() and rows.missing[1, rows.names.index("age")]
    assert refusal(aligned, table_of(other=[1.0, 2]), dictionary) == "refused.other_table"
