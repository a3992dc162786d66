"""The figures of docs/explanation/learners: each is a run of the real learner, the same numbers as in its lesson.

python -m benchmarks.figures             writes docs/pictures/learners/*.png
python -m benchmarks.figures maml lstm   only those
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")  # before pyplot: no window is opened
import matplotlib.pyplot as plt
from PIL import Image

from engine.learners.reptile import Reptile
from engine.learners.starts import shipped_start
from engine.lessons import ambiguous, optimiser, plane, prototypes, wave
from engine.lessons.plan import Labels

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "learners"
SIZE = (7.0, 3.2)  # inches; the pages are read beside text
TEAL, AMBER, BLUE, GREY, INK = "#178577", "#b86e00", "#3a6fd8", "#9aa5ad", "#14202b"
COLOURS = dict(zip(plane.CLASSES, (TEAL, AMBER, BLUE), strict=True))
SHAPES = dict(zip(plane.CLASSES, "o^s", strict=True))
NAMES = dict(zip(plane.CLASSES, ("smooth", "spiculated", "ground glass"), strict=True))


def two_a_class() -> str:
    """The first two cases of each class, as a lesson writes them."""
    truth = plane.truth()
    first = sorted(i for c in plane.CLASSES for i in [k for k, t in enumerate(truth) if t == c][:2])
    return "-".join(f"{i}{truth[i]}" for i in first)


def maml() -> plt.Figure:
    """Five points of a wave, ten steps of the same rate from a practised and from a fresh start."""
    found = wave.compute({"seed": 3, "points": 5, "amplitude": 3.0, "phase": 1.0, "moved": 0, "by": 0.0})
    figure, axes = plt.subplots(1, 2, figsize=SIZE, sharey=True)
    for axis, name, title in zip(axes, ("maml", "scratch"), ("practised start (MAML)", "fresh start"), strict=True):
        curves, error = found["starts"][name]["curves"], found["starts"][name]["error"]
        axis.plot(found["x"], found["truth"], color=GREY, lw=4, alpha=0.6, label="the wave")
        for step, style in ((0, ":"), (1, "--"), (10, "-")):
            told = f"after {step} steps, error {error[step]:.2f}"
            axis.plot(found["x"], curves[step], color=TEAL, ls=style, label=told)
        axis.plot(*zip(*found["points"], strict=True), "o", color=INK, ms=5)
        axis.set_title(title)
        axis.legend(fontsize=6.5, loc="lower left")
    return figure


def _sheet(axis, found) -> None:
    """Regions, cases and labelled cases of a plane."""
    x0, x1, y0, y1 = found["extent"]
    cells = [[plane.CLASSES.index(c) for c in row] for row in found["regions"]]
    palette = matplotlib.colors.ListedColormap([COLOURS[c] for c in plane.CLASSES])
    axis.imshow(cells, origin="lower", extent=(x0, x1, y0, y1), aspect="auto", cmap=palette, vmin=0, vmax=2, alpha=0.18)
    for i, point in enumerate(found["points"]):
        letter = found["labels"].get(str(i))
        colour = COLOURS[letter] if letter else "white"
        axis.plot(point["x"], point["y"], SHAPES[point["truth"]], mfc=colour, mec=INK if letter else GREY, ms=7)
    axis.set_xticks([])
    axis.set_yticks([])


def prototypes_figure() -> plt.Figure:
    """The same cases with right labels, and with one of them wrong."""
    labels = two_a_class()
    first = Labels.pairs(labels)
    wrong_case, its = next(iter(first.items()))
    wrong = labels.replace(f"{wrong_case}{its}", f"{wrong_case}{'b' if its != 'b' else 'a'}", 1)
    figure, axes = plt.subplots(1, 2, figsize=SIZE)
    for axis, given, title in zip(axes, (labels, wrong), ("six labels", "one of them wrong"), strict=True):
        found = prototypes.compute({"labels": given, "learner": "protonet", "asked": 0})
        _sheet(axis, found)
        for letter, (x, y) in found["prototypes"].items():
            axis.plot(x, y, "*", color=COLOURS[letter], mec=INK, ms=15)
        axis.set_title(f"{title}: {found['right']} of {found['asked']} others right")
    return figure


def matching() -> plt.Figure:
    """What each labelled case has to say about one other case."""
    labels = two_a_class()
    others = [i for i in range(len(plane.truth())) if i not in Labels.pairs(labels)]
    answers = {i: prototypes.compute({"labels": labels, "learner": "matching", "asked": i}) for i in others}
    asked = min(others, key=lambda i: max(weight for _, weight in answers[i]["attention"]))  # the least decided
    found = answers[asked]
    figure, axes = plt.subplots(1, 2, figsize=SIZE, width_ratios=(3, 2))
    _sheet(axes[0], found)
    x, y = found["points"][asked]["x"], found["points"][asked]["y"]
    for case, weight in found["attention"]:
        other = found["points"][int(case)]
        axes[0].plot([x, other["x"]], [y, other["y"]], color=INK, lw=8 * weight, alpha=0.7)
    axes[0].set_title("attention from one case to six labelled")
    given = Labels.pairs(labels)
    bars = [(f"{NAMES[given[int(case)]]}", weight, COLOURS[given[int(case)]]) for case, weight in found["attention"]]
    axes[1].barh(range(len(bars)), [b[1] for b in bars], color=[b[2] for b in bars])
    axes[1].set_yticks(range(len(bars)), [b[0] for b in bars])
    axes[1].set_title("a(x, x_i), summing to 1")
    return figure


def reptile() -> plt.Figure:
    """From the shipped start: the plane after ten steps, and how sure it is of the right class on the way."""
    labels = Labels.pairs(two_a_class())
    support, learner = plane.support(labels), Reptile(shipped_start("reptile"))
    where, truth, asked = plane.plane()[0], plane.truth(), plane.asked(labels)
    sure = {"labelled": [], "others": []}
    for steps in range(11):
        adapted = learner.adapt(support, steps=steps)
        said = adapted.probabilities(where)
        for name, cases in (("labelled", list(labels)), ("others", asked)):
            right = [float(said[i, support.classes.index(truth[i])]) for i in cases]
            sure[name].append(sum(right) / len(right))
    figure, axes = plt.subplots(1, 2, figsize=SIZE)
    told = {"extent": plane.extent(), "regions": plane.regions(adapted.logits, support.classes),
            "points": plane.points(), "labels": {str(i): c for i, c in labels.items()}}  # fmt: skip
    _sheet(axes[0], told)
    axes[0].set_title("after ten steps")
    axes[1].plot(sure["labelled"], color=TEAL, label="six labelled cases")
    axes[1].plot(sure["others"], color=AMBER, label=f"{len(asked)} others")
    axes[1].set_title("mean probability of the right class")
    axes[1].set_xlabel("step")
    axes[1].set_ylim(0, 1)
    axes[1].legend(fontsize=7)
    return figure


def lstm() -> plt.Figure:
    """Loss on one task beside plain descent and Adam, and the rates that the learned rule gave itself."""
    found = optimiser.compute({"labels": two_a_class(), "numbers": "all", "sgd": 1.0, "adam": 0.1})
    figure, axes = plt.subplots(1, 2, figsize=SIZE)
    for name, colour, title in (("lstm", TEAL, "learned rule"), ("sgd", GREY, "descent"), ("adam", AMBER, "Adam")):
        axes[0].plot(found[name], color=colour, label=title)
    axes[0].set_title("loss on the labelled cases")
    axes[0].set_xlabel("step")
    axes[0].legend(fontsize=7)
    steps = range(1, len(found["rates"]) + 1)
    mean, low, high = zip(*found["rates"], strict=True)
    axes[1].plot(steps, mean, color=TEAL)
    axes[1].fill_between(steps, low, high, color=TEAL, alpha=0.2)
    axes[1].set_title("input gate i_t: mean, least, greatest")
    axes[1].set_xlabel("step")
    return figure


def platipus() -> plt.Figure:
    """Three points that could be a wave or a line, and twelve."""
    figure, axes = plt.subplots(1, 2, figsize=SIZE, sharey=True)
    for axis, points in zip(axes, (3, 12), strict=True):
        found = ambiguous.compute({"seed": 1, "points": points, "models": 20, "truth": "wave"})
        for curve in found["curves"]:
            axis.plot(found["x"], curve, color=TEAL, lw=0.8, alpha=0.5)
        axis.plot(found["x"], found["truth"], color=GREY, lw=3, alpha=0.7)
        axis.plot(*zip(*found["points"], strict=True), "o", color=INK, ms=5)
        axis.set_title(f"{points} points: {found['lines']} of {found['models']} models are lines")
    return figure


FIGURES = {
    "maml": maml,
    "reptile": reptile,
    "prototypes": prototypes_figure,
    "matching": matching,
    "lstm": lstm,
    "platipus": platipus,
}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"font.size": 8, "axes.titlesize": 8.5, "savefig.dpi": 100})
    for name in sys.argv[1:] or FIGURES:
        figure = FIGURES[name]()
        figure.tight_layout()
        path = FOLDER / f"{name}.png"
        figure.savefig(path)
        Image.open(path).convert("RGB").quantize(48).save(path, optimize=True)  # a few colours: a third of the bytes
        plt.close(figure)
        print(f"{path.name} {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
