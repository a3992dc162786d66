// The help sheet: every key and mouse gesture, over the image, on "?".

import { html } from "./dom.js";

const SECTIONS = [
  ["help_slices", [["↑ ↓ ← →", "help_step"], ["PgUp PgDn", "help_ten"], ["Home End", "help_ends"], ["wheel", "help_wheel"]]],
  ["help_windows", [["L", "lung"], ["S", "soft"], ["B", "bone"], ["H", "brain"], ["W", "help_reset_window"], ["I", "help_invert"], ["drag", "help_drag_window"]]],
  ["help_views", [["A", "axial"], ["F", "coronal"], ["T", "sagittal"], ["M", "planes"], ["V", "help_reset_view"], ["+ −", "help_zoom"], ["right_drag", "help_zoom"], ["middle_drag", "help_pan"]]],
  ["help_measure", [["D", "ruler"], ["Del", "help_delete"], ["O", "overlay"], ["P", "help_point"], ["G", "help_region"], ["[ ]", "help_range"], ["Esc", "help_escape"]]],
];
const LABELLING = ["help_labels", [["1 – 9", "help_label"], ["0", "help_clear"], ["U", "help_unsure"], ["Ctrl Z", "help_undo"], ["J N", "help_next"], ["K", "help_previous"]]];
const WORDS_AS_KEYS = new Set(["wheel", "drag", "right_drag", "middle_drag"]);

export function helpSheet(words, labelling, close) {
  const rows = ([title, keys]) => html("section", {}, html("h4", {}, words[title]),
    ...keys.map(([key, text]) => html("div", { class: "row" },
      html("kbd", {}, WORDS_AS_KEYS.has(key) ? words[key] : key), html("span", {}, words[text]))));
  const sections = labelling ? [LABELLING, ...SECTIONS] : SECTIONS;
  return html("div", { class: "sheet", role: "dialog", "aria-modal": "false", "aria-label": words.keys, onclick: close },
    html("div", { class: "columns" }, ...sections.map(rows)),
    html("p", {}, words.help_close));
}
