// The row of buttons below the image.

import { html } from "./dom.js";

/** Builds the row. `act(name)` does what a key of the same name does; `fade(value)` sets the overlay's strength. */
export class Toolbar {
  constructor(words, act, fade) {
    this.words = words;
    this.buttons = {};
    const button = (name, key) => {
      const node = html("button", { type: "button", "data-act": name, title: key ? `${words[name]} (${key})` : words[name],
        onclick: () => act(name) }, words[name]);
      this.buttons[name] = node;
      return node;
    };
    this.opacity = html("input", { type: "range", min: "0", max: "100", "aria-label": words.opacity,
      oninput: (event) => fade(Number(event.target.value) / 100) });
    this.overlay = html("div", { class: "group overlay" }, button("overlay", "O"), this.opacity);
    const help = html("button", { type: "button", class: "help", "data-act": "help", "aria-label": words.keys, title: words.keys,
      onclick: () => act("help") }, html("span", { class: "word" }, `${words.keys} `), html("kbd", {}, "?"));
    this.buttons.help = help;
    this.presets = html("div", { class: "group" },
      button("lung", "L"), button("soft", "S"), button("bone", "B"), button("brain", "H"));
    this.root = html("div", { class: "toolbar", role: "toolbar", "aria-label": words.tools },
      this.presets,
      html("div", { class: "group" }, button("ruler", "D"), button("point", "P"), button("region", "G")),
      html("div", { class: "group" }, button("planes", "M")),
      this.overlay, help);
  }

  /** Shows what applies to this case and what is on. */
  show({ presets, preset, mode, pointing, regions, planes, three, overlay }) {
    this.presets.hidden = !presets;
    this.buttons.point.hidden = !pointing;
    this.buttons.region.hidden = !regions;
    this.buttons.planes.hidden = !planes;
    this.overlay.hidden = !overlay;
    const pressed = { [preset]: true, [mode]: true, planes: three, overlay: overlay && overlay.on };
    for (const [name, node] of Object.entries(this.buttons)) {
      if (name !== "help") node.setAttribute("aria-pressed", String(Boolean(pressed[name])));
    }
    if (overlay) {
      this.opacity.value = String(Math.round(overlay.opacity * 100));
      this.opacity.disabled = !overlay.on;
    }
  }
}
