"""What did clinicians prescribe? Regimens of 130 hospitals' diabetic patients, k labelled a regimen in a new specialty.

    python -m benchmarks.diabetes_medication [FILE] [--episodes 4] [--shots 5 10 20] [--kept JSON] [--markdown FILE]

FILE is diabetes130_full.csv.zip (default: under HANDFUL_TEST_DATA; Strack et al. 2014, Impact of HbA1c Measurement on
Hospital Readmission Rates, doi 10.1155/2014/781670). A row is a patient's first admission. The regimen comes from the
23 columns of medicines: none, oral only, insulin only, both. Not among the inputs: those columns; "change" and
"diabetesMed", which repeat them; counts of medicines, tests and days, and how the stay ended, which are known only
after it. Diagnoses are coded at discharge; they are inputs all the same, as what the patient came with.

Hospitals are not named in this table, so medical specialties stand in for them. Specialties with enough patients are
held out in three parts in turn: k labelled patients a regimen and 100 others as they come, all of one specialty.
"Metric from other specialties" is Prototypical Networks as published (Snell et al. 2017): a small network is trained on
episodes of the specialties that are not held out, then takes its prototypes from the k labelled patients; it needs a
table whose columns stay the same. What ships was trained on no table about diabetes. Controls: logistic regression
tuned on the same labelled patients, one trained on 4,000 patients of the other specialties and not adapted, and always
the specialty's most frequent regimen. Intervals: 95 % bootstrap over specialties.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.encoder_table import interval
from benchmarks.real_data import folder
from engine.encoders import tabular
from engine.episodes.scoring import macro_auroc
from engine.learners import Support, learner
from engine.tables import Dictionary, Table, propose

REGIMENS = ("none", "oral only", "insulin only", "both")
INPUTS = (
    "race", "gender", "age", "admission_type_id", "admission_source_id", "number_outpatient", "number_emergency",
    "number_inpatient", "diag_1", "diag_2", "diag_3", "number_diagnoses", "max_glu_serum", "A1Cresult",
)  # fmt: skip
CODES = ("admission_type_id", "admission_source_id", "diag_1", "diag_2", "diag_3")  # numbers without an order
LABEL, SPECIALTY, PATIENT = "regimen", "medical_specialty", "patient_nbr"
FIRST_MEDICINE, LAST_MEDICINE = "metformin", "metformin-pioglitazone"
ASKED, FEWEST = 100, 45  # patients asked about; of the rarest regimen in a specialty that takes part
OTHERS = 4000
FOLDS, STEPS, WIDTH, DRAWN = (
    3,
    3000,
    48,
    15,
)  # of the network that learns the metric; DRAWN: patients a regimen and side
METHODS = ("metric", "protonet", "logistic", "elsewhere", "frequent")
TITLES = {
    "metric": "Prototypical Networks, metric from other specialties",
    "protonet": "Prototypical Networks, as shipped",
    "logistic": "logistic regression, same patients",
    "elsewhere": "logistic regression, 4,000 of other specialties, not adapted",
    "frequent": "most frequent regimen",
}


@dataclass(frozen=True)
class Patients:
    """One row a patient: the table of inputs, regimen (n,) as class number, specialty (n,)."""

    table: Table
    dictionary: Dictionary
    regimen: np.ndarray
    specialty: np.ndarray


def read(path: Path) -> Patients:
    """First admissions of all patients."""
    with zipfile.ZipFile(path) as archive, archive.open("dataset_diabetes/diabetic_data.csv") as file:
        texts = dict.fromkeys(CODES, str)
        frame = pd.read_csv(file, na_values="?", low_memory=False, dtype=texts)  # "None": not measured
    frame = frame.sort_values("encounter_id", kind="stable").drop_duplicates(PATIENT).reset_index(drop=True)
    given = frame.loc[:, FIRST_MEDICINE:LAST_MEDICINE] != "No"
    insulin, oral = given["insulin"].to_numpy(), given.drop(columns="insulin").any(axis=1).to_numpy()
    regimen = np.select([insulin & oral, insulin, oral], [3, 2, 1], 0)
    columns = {name: frame[name].astype("float64" if frame[name].dtype.kind in "if" else "str") for name in INPUTS}
    columns[LABEL] = pd.Series(np.array(REGIMENS, dtype=object)[regimen]).astype("str")
    table = Table("diabetes130", pd.DataFrame(columns), np.arange(len(frame)) + 2)
    dictionary = propose(table, label=LABEL)
    for name in INPUTS:  # nothing is left out as a leak or as empty: what is known too late was left out above
        dictionary = dictionary.change(name, role="feature")
    return Patients(table, dictionary, regimen, frame[SPECIALTY].fillna("").to_numpy(dtype=object))


def taking_part(patients: Patients) -> list[str]:
    """Specialties with enough patients of every regimen, largest first."""
    counts = pd.crosstab(patients.specialty, patients.regimen).drop(index="", errors="ignore")
    counts = counts[(counts.min(axis=1) >= FEWEST) & (counts.sum(axis=1) >= ASKED + 4 * 20)]
    return list(counts.sum(axis=1).sort_values(ascending=False).index)


def draw(patients: Patients, specialty: str, shots: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(labelled, asked) patients of one specialty; nobody is on both sides."""
    mine = rng.permutation(np.flatnonzero(patients.specialty == specialty))
    labelled = np.concatenate([mine[patients.regimen[mine] == c][:shots] for c in range(len(REGIMENS))])
    return labelled, np.setdiff1d(mine, labelled, assume_unique=True)[:ASKED]


def logistic(x: np.ndarray, known: np.ndarray):
    """Logistic regression whose penalty is chosen by 5-fold cross-validation on the rows it learns from."""
    from sklearn.linear_model import LogisticRegressionCV

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few iterations, and of names that change in scikit-learn
        return LogisticRegressionCV(Cs=np.logspace(-3, 1, 7), cv=5, scoring="neg_log_loss", max_iter=300).fit(x, known)


class Elsewhere:
    """What patients of the specialties that are not held out teach: a metric, and a model that is not adapted."""

    def __init__(self, patients: Patients, held: list[str], seed: int) -> None:
        rng = np.random.default_rng(seed)
        known = np.flatnonzero(~np.isin(patients.specialty.astype(str), [*held, ""]))
        rows = rng.permutation(known)[:OTHERS]
        self.prepared = tabular.prepare(patients.table, patients.dictionary, rows)
        self.model = logistic(self.prepared.rows(rows).flat(), patients.regimen[rows])
        self.net = self._metric(patients, known, rng)

    def answer(self, asked: np.ndarray) -> np.ndarray:
        return self.model.predict_proba(self.prepared.rows(asked).flat())

    def embed(self, rows: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            return self.net(torch.from_numpy(self.prepared.rows(rows).flat()).float())

    def _metric(self, patients: Patients, known: np.ndarray, rng: np.random.Generator) -> torch.nn.Module:
        """Episodes within one specialty: prototypes of some patients, cross-entropy of others (Snell et al., eq. 2)."""
        flat = torch.from_numpy(self.prepared.rows(known).flat()).float()
        pools = []
        for specialty in np.unique(patients.specialty[known].astype(str)):
            here = patients.specialty[known] == specialty
            each = [np.flatnonzero(here & (patients.regimen[known] == c)) for c in range(len(REGIMENS))]
            if min(map(len, each)) >= 2 * DRAWN:
                pools.append(each)
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Dropout(0.2), torch.nn.Linear(flat.shape[1], WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, WIDTH)
        )
        optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-2)
        wanted = torch.arange(len(REGIMENS)).repeat_interleave(DRAWN)
        for _ in range(STEPS):
            pool = pools[rng.integers(len(pools))]
            taken = np.stack([rng.choice(each, 2 * DRAWN, replace=False) for each in pool])
            made = net(flat[torch.from_numpy(taken)])
            prototypes, asked = made[:, :DRAWN].mean(1), made[:, DRAWN:].flatten(0, 1)
            loss = torch.nn.functional.cross_entropy(-(torch.cdist(asked, prototypes) ** 2), wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return net.eval()


def answers(patients: Patients, labelled: np.ndarray, asked: np.ndarray, elsewhere: Elsewhere) -> dict[str, np.ndarray]:
    """{method: (asked, 4) probabilities}."""
    prepared, known = tabular.prepare(patients.table, patients.dictionary, labelled), patients.regimen[labelled]
    names = tuple(str(row) for row in labelled)

    def learned(name: str, taught: torch.Tensor, query: torch.Tensor) -> np.ndarray:
        model = learner(name).adapt(Support(taught, torch.from_numpy(known).long(), REGIMENS, names))
        with torch.no_grad():
            return model.probabilities(query).double().numpy()

    taught, query = (torch.from_numpy(prepared.embeddings(rows)) for rows in (labelled, asked))
    here = patients.regimen[patients.specialty == patients.specialty[asked[0]]]
    share = np.bincount(here, minlength=len(REGIMENS)) / len(here)
    own = logistic(prepared.rows(labelled).flat(), known)
    return {
        "metric": learned("protonet", elsewhere.embed(labelled), elsewhere.embed(asked)),
        "protonet": learned("protonet", taught, query),
        "logistic": own.predict_proba(prepared.rows(asked).flat()),
        "elsewhere": elsewhere.answer(asked),
        "frequent": np.repeat(share[None], len(asked), axis=0),
    }


def measure(patients: Patients, specialty: str, shots: int, episodes: int, elsewhere: Elsewhere) -> dict:
    """{method: {"auroc", "accuracy": mean over the episodes}} of one specialty."""
    values: dict[str, dict[str, list[float]]] = {m: {"auroc": [], "accuracy": []} for m in METHODS}
    for episode in range(episodes):
        labelled, asked = draw(patients, specialty, shots, np.random.default_rng([episode, shots]))
        wanted = patients.regimen[asked]
        for method, found in answers(patients, labelled, asked, elsewhere).items():
            values[method]["auroc"].append(macro_auroc(found, wanted))
            values[method]["accuracy"].append(float((found.argmax(1) == wanted).mean()))
    return {m: {what: float(np.nanmean(each)) for what, each in v.items()} for m, v in values.items()}


def markdown(kept: dict, episodes: int) -> str:
    """A line a size and method, and in how many specialties the learned metric is ahead of it."""
    sizes = sorted({int(key.split("|")[1]) for key in kept})
    lines = ["| labelled a regimen | method | AUROC | right | metric ahead (AUROC) |", "|---|---|---|---|---|"]
    for size in sizes:
        here = [value for key, value in kept.items() if int(key.split("|")[1]) == size]
        for method in METHODS:
            auroc, right = (np.array([v[method][what] for v in here]) for what in ("auroc", "accuracy"))
            ahead = sum(v["metric"]["auroc"] > v[method]["auroc"] for v in here)
            wins = "" if method == "metric" else f"{ahead} of {len(here)}"
            lines.append(f"| {size} | {TITLES[method]} | {interval(auroc)} | {interval(right)} | {wins} |")
    lines.append(f"\n{len(here)} specialties, {episodes} draws each, {ASKED} patients asked a draw.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--kept", type=Path, help="JSON of results to go on from")
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    patients = read(args.file or folder("records") / "diabetes130_full.csv.zip")
    kept = json.loads(args.kept.read_text()) if args.kept and args.kept.exists() else {}
    every = taking_part(patients)
    for part in range(FOLDS):
        held = every[part::FOLDS]
        todo = [(name, shots) for name in held for shots in args.shots if f"{name}|{shots}" not in kept]
        elsewhere = Elsewhere(patients, held, part) if todo else None
        for name, shots in todo:
            kept[f"{name}|{shots}"] = measure(patients, name, shots, args.episodes, elsewhere)
            print(name, shots, {m: round(v["auroc"], 3) for m, v in kept[f"{name}|{shots}"].items()}, file=sys.stderr)
            if args.kept:
                args.kept.write_text(json.dumps(kept, indent=1))
    text = markdown(kept, args.episodes)
    print(text)
    if args.markdown:
        args.markdown.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
