"""What was done, in sentences that fit a paper's methods section, and the papers they cite."""

from __future__ import annotations

from collections.abc import Mapping

from engine.evidence.uncertainty import DRAWS
from engine.reports.facts import Facts
from engine.reports.pictures import Shown
from engine.reports.words import Words, number

REFERENCES = {
    "Adebayo et al. 2018": "Adebayo J et al. Sanity checks for saliency maps. NeurIPS 2018. arXiv:1810.03292.",
    "Barber et al. 2021": "Barber RF, Candès EJ, Ramdas A, Tibshirani RJ. Predictive inference with the jackknife+. "
    "Annals of Statistics 49, 2021. arXiv:1905.02928.",
    "Clopper & Pearson 1934": "Clopper CJ, Pearson ES. The use of confidence or fiducial limits illustrated in the "
    "case of the binomial. Biometrika 26, 1934.",
    "Finn et al. 2017": "Finn C, Abbeel P, Levine S. Model-agnostic meta-learning for fast adaptation of deep "
    "networks. ICML 2017. arXiv:1703.03400.",
    "Finn et al. 2018": "Finn C, Xu K, Levine S. Probabilistic model-agnostic meta-learning. NeurIPS 2018. "
    "arXiv:1806.02817.",
    "Nichol et al. 2018": "Nichol A, Achiam J, Schulman J. On first-order meta-learning algorithms. arXiv:1803.02999.",
    "Raghu et al. 2020": "Raghu A, Raghu M, Bengio S, Vinyals O. Rapid learning or feature reuse? ICLR 2020. "
    "arXiv:1909.09157.",
    "Ravi & Larochelle 2017": "Ravi S, Larochelle H. Optimization as a model for few-shot learning. ICLR 2017.",
    "Snell et al. 2017": "Snell J, Swersky K, Zemel R. Prototypical networks for few-shot learning. NeurIPS 2017. "
    "arXiv:1703.05175.",
    "Sun et al. 2022": "Sun Y, Ming Y, Zhu X, Li Y. Out-of-distribution detection with deep nearest neighbors. ICML "
    "2022. arXiv:2204.06507.",
    "Vinyals et al. 2016": "Vinyals O et al. Matching networks for one shot learning. NeurIPS 2016. arXiv:1606.04080.",
}


def methods(facts: Facts, shown: Mapping[str, Shown], words: Words) -> list[str]:
    """Paragraphs: cases, representation and method, uncertainty, maps and software. Only what this run did."""
    record = facts.record
    name = record["learner"]
    does = words(f"does_{name}") if f"does_{name}" in words else words("does_other", name=name)
    paragraphs = [_cases(facts, words), words.sentences(_look(facts, words), does), _uncertainty(facts, words)]
    maps = sorted({words(f"method_{each.method}") for each in shown.values() if each.method})
    if maps:
        paragraphs.append(words("methods_maps", method=words.listed(maps)))
    versions = {"handful": "?", "torch": "?", "python": "?", **record.get("versions", {})}
    versions["torch"] = versions["torch"].split("+")[0]
    paragraphs.append(
        words("methods_software", **versions, device=record.get("device", "CPU"), seed=record.get("seed", 0))
    )
    return paragraphs


def references(paragraphs: list[str]) -> list[str]:
    """The papers that these paragraphs cite, by author."""
    text = " ".join(paragraphs)
    return [full for short, full in REFERENCES.items() if short in text]


def kinds(facts: Facts, words: Words) -> str:
    """ "24 CT volumes, 3 pictures"."""
    return words.listed([words(f"kind_{k}", modality=m, count=n).strip() for k, m, n in facts.kinds()])


def readers(facts: Facts) -> list[str]:
    """Everybody whose label counts, by name; "" for one who did not sign in."""
    return sorted({each.reader for each in facts.labelled})


def _cases(facts: Facts, words: Words) -> str:
    counts = words.listed([f"{name}: {cases}" for name, (cases, _) in facts.counts().items()])
    return words(
        "methods_cases",
        cases=len(facts.cases),
        patients=facts.patients(list(facts.cases)),
        kinds=kinds(facts, words),
        labelled=len(facts.labelled),
        taught=facts.taught_patients,
        counts=counts or words.unit(facts.unit) or words("none"),
        readers=words("methods_readers", count=max(1, len(readers(facts)))),
        asked=len(facts.predictions),
    )


def _look(facts: Facts, words: Words) -> str:
    encoder = str(facts.record.get("hashes", {}).get("encoder", "?"))[:16]
    look = facts.record.get("look", "whole")
    if any(kind in ("record", "molecule") for kind, _, _ in facts.kinds()):
        look = "row"
    clicks = sum(1 for each in facts.labelled if each.pointed)
    key = f"methods_look_{look}"
    return words(key, encoder=encoder, clicks=clicks) if key in words else ""


def _uncertainty(facts: Facts, words: Words) -> str:
    record = facts.record
    if facts.numeric:
        return words("methods_number_interval")
    parts = [words("methods_temperature", temperature=number(record.get("temperature", 1.0)))]
    parts += [words("methods_test"), words("methods_ranges", draws=DRAWS)]
    if record.get("sets"):
        parts.append(words("methods_sets"))
    if any(p.get("unlike") is not None for p in facts.predictions.values()):
        parts.append(words("methods_unlike"))
    return words.sentences(*parts)
