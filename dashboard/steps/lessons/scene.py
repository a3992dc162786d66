"""A lesson on the page: what the address sets, what the engine answered, and the controls that change the address.

The address is the lesson's whole state (`?s=lessons&l=wave&points=3`): a teacher's link opens what the teacher saw.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.state import Page
from engine.lessons.plan import BY_NAME, NAMES, Number, Plan


@dataclass(frozen=True)
class Lesson:
    """How one lesson is shown. `guesses`: how many answers are offered before the run's own.

    `controls` and `draw` take the scene; `right` says from the result which guess (from 1) was right; `values` fills
    the places of the lesson's sentences.
    """

    name: str
    guesses: int
    draw: Callable[[Scene], None]
    controls: Callable[[Scene], None]
    right: Callable[[Mapping[str, Any]], int]
    values: Callable[[Mapping[str, Any]], dict[str, Any]]

    @property
    def plan(self) -> Plan:
        return BY_NAME[self.name]


@dataclass(frozen=True)
class Scene:
    """One run of a lesson's page. `told`: the reader has guessed, so the answer may be shown."""

    page: Page
    plan: Plan
    result: Mapping[str, Any]
    told: bool

    @property
    def now(self) -> dict[str, Any]:
        """Settings and views as the address has them."""
        raw = st.query_params.to_dict()
        return {**self.plan.read(raw), **self.plan.view(raw)}

    def words(self, key: str, **values: Any) -> str:
        """A text of this lesson."""
        return self.page.words(f"lessons.{self.plan.name}.{key}", **values)

    def say(self, key: str, **values: Any) -> None:
        """A sentence under the figure; what stands between * is bold."""
        st.html(f'<p class="hf-said">{bold(self.words(key, **values))}</p>')

    def slider(self, name: str, *, low: float | None = None, high: float | None = None, label: str = "") -> None:
        """A slider of a setting; its key is the address's."""
        setting = {**self.plan.settings, **self.plan.views}[name]
        if not isinstance(setting, Number):
            raise TypeError(f"{name} is no number")
        key, kind = self._key(name), int if isinstance(setting.step, int) else float
        low, high = setting.low if low is None else low, setting.high if high is None else high
        start = self._begin(key, kind(min(max(self.now[name], low), high)), "value")
        st.slider(
            label or self.words(name), kind(low), kind(high), step=kind(setting.step), key=key,
            on_change=_keep, args=(self.plan, name, key), **start,
        )  # fmt: skip

    def choose(self, name: str) -> None:
        """A row of words, one of which is chosen; their texts are `<name>_<word>`."""
        key, setting = self._key(name), self.plan.settings[name]
        start = self._begin(key, self.now[name], "default")
        st.segmented_control(
            self.words(name), setting.among, key=key, required=True, on_change=_keep, args=(self.plan, name, key),
            **start,
            format_func=lambda word: self.words(f"{name}_{word}"),
        )  # fmt: skip

    def seed(self) -> None:
        """Draw again: the next seed."""
        st.button(
            self.page.words("lessons.again"), key=self._key("again"), icon=":material/casino:",
            on_click=put, kwargs={"seed": (self.now["seed"] + 1) % 1000},
        )  # fmt: skip

    def _key(self, name: str) -> str:
        return f"set-{self.plan.name}-{name}"

    def _begin(self, key: str, value: Any, parameter: str) -> dict[str, Any]:
        """What a control starts from, as its parameter, so that the browser can draw it again wherever it moves on the
        page; or nothing, once the address has changed beside it and its state had to be set."""
        if st.session_state.get(key, value) == value:
            return {parameter: value}
        st.session_state[key] = value
        return {}


def bold(text: str) -> str:
    """HTML of a text whose *words* are bold; everything else is escaped."""
    parts = html.escape(text).split("*")
    return "".join(f"<b>{part}</b>" if k % 2 else part for k, part in enumerate(parts))


def put(**settings: Any) -> None:
    """Write settings in the address."""
    for name, value in settings.items():
        st.query_params[name] = str(value)


def _keep(plan: Plan, name: str, key: str) -> None:
    """A control moved: write it in the address. A value set from the address itself reports as moved too, even after
    another lesson was opened; that is no change."""
    raw, value = st.query_params.to_dict(), st.session_state.get(key)
    if value is None or raw.get("l", NAMES[0]) != plan.name:
        return
    if {**plan.read(raw), **plan.view(raw)}[name] != value:
        put(**{name: value})
