"""Lesson: what a saliency map can and cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.steps.lessons.pictures import pictures
from dashboard.steps.lessons.scene import Lesson, Scene


def controls(scene: Scene) -> None:
    scene.slider("case")
    scene.choose("method")
    scene.seed()


def draw(scene: Scene) -> None:
    told = scene.result
    captions = {side: scene.words(side) for side in ("left", "right")}
    if scene.told:
        random = "right" if told["real"] == "left" else "left"
        captions[told["real"]] += " · " + scene.words("learned")
        captions[random] += " · " + scene.words("random")
    shown = [([told["picture"]], scene.words("picture")), *(([told[side]], captions[side]) for side in captions)]
    pictures(shown, columns=3)
    if not scene.told:
        scene.say("before")
        return
    scene.say("check", likeness=f"{told['likeness']:.2f}")
    scene.say("unspecific" if told["unspecific"] else "specific")
    energy = {name: round(100 * share) for name, share in told["energy"].items()}
    scene.say("energy", **energy)
    said, truth = scene.words(f"finding_{told['said']}"), scene.words(f"finding_{told['truth']}")
    scene.say("answered", said=said, truth=truth)


def values(result: Mapping[str, Any]) -> dict[str, Any]:
    return {"likeness": f"{result['likeness']:.2f}"}


def right(result: Mapping[str, Any]) -> int:
    """1: the left map is the one that learned, 2: the right one."""
    return 1 if result["real"] == "left" else 2


LESSON = Lesson("saliency", 3, draw, controls, right, values)
