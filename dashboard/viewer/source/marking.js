// Modes of the left button that mark something: ruler, pointing at the finding, region of interest.

import { html, write } from "./dom.js";
import { boxBetween, pointAt, regionBetween, withRange } from "./places.js";
import * as ruler from "./ruler.js";

export class Marking {
  constructor(viewer) {
    this.viewer = viewer;
    this.mode = "window";
    this.shape = "box"; // of a region: "box" or "sphere"
    this.pointed = null; // mm of the last click, see Viewer.isOwnPoint
    this.bar = html("div", { class: "mode-bar", hidden: true });
  }

  get scene() {
    return this.viewer.scene;
  }

  setMode(mode) {
    const { viewer } = this;
    const { words } = viewer;
    this.mode = mode;
    viewer.root.dataset.mode = mode;
    if (viewer.volumeId) ruler.switchRuler(mode === "ruler");
    const button = (text, act) => html("button", { type: "button", onclick: act }, text);
    const bars = {
      ruler: () => [words.mode_ruler],
      point: () => [words.mode_point, button(words.clear_place, () => this.clear("place"))],
      region: () => [words.mode_region, this.shapeButton(),
        button(words.region_from, () => this.setRange("from")), button(words.region_to, () => this.setRange("to")),
        button(words.clear_region, () => this.clear("region"))],
    };
    this.bar.hidden = !bars[mode];
    if (bars[mode]) this.bar.replaceChildren(...bars[mode](), button(words.mode_done, () => this.setMode("window")));
    viewer.showTools();
  }

  toggle(mode) {
    this.setMode(this.mode === mode ? "window" : mode);
  }

  shapeButton() {
    const node = html("button", { type: "button", "data-act": "shape" }, this.viewer.words[this.shape]);
    node.addEventListener("click", () => {
      this.shape = this.shape === "box" ? "sphere" : "box";
      write(node, this.viewer.words[this.shape]);
    });
    return node;
  }

  post(kind, place) {
    this.viewer.outbox.post({ kind, case: this.scene.kase.id, place });
  }

  redraw() {
    for (const pane of this.scene.panes) pane.draw();
  }

  /** A click on the finding. */
  point(pane, at) {
    this.pointTo(pointAt(pane, at));
  }

  /** A box dragged around the finding. */
  box(pane, from, to) {
    this.pointTo(boxBetween(pane, from, to));
  }

  pointTo(place) {
    this.pointed = place.centre_mm;
    this.scene.places = [...this.scene.places.filter((one) => one.by !== "person"), place];
    this.post("place", place);
    this.setMode("window");
    this.viewer.showMarks();
    this.redraw();
  }

  region(pane, from, to) {
    this.scene.region = regionBetween(pane, from, to, this.shape);
    this.post("region", this.scene.region);
    this.redraw();
  }

  /** The region begins ("from") or ends ("to") at the shown slice; false where that means nothing. */
  setRange(end) {
    if (!this.scene.region || this.viewer.pane.axis !== 2) return false;
    this.scene.region = withRange(this.scene, end);
    this.post("region", this.scene.region);
    this.redraw();
    return true;
  }

  /** Takes away what a person marked: "place" or "region". */
  clear(what) {
    if (what === "region") this.scene.region = null;
    else this.scene.places = this.scene.places.filter((one) => one.by !== "person");
    this.post(`clear_${what}`, null);
    this.viewer.showMarks();
    this.redraw();
  }

  /** What Delete does in the mode that is on; false where there is nothing to remove. */
  remove() {
    if (this.mode === "point") this.clear("place");
    else if (this.mode === "region") this.clear("region");
    else {
      if (!ruler.removeLast(this.scene.kase.id)) return false;
      for (const pane of this.scene.panes) pane.viewport.render();
    }
    return true;
  }

  /** Shows the drag under way; without a pane it is over. */
  draft(pane, kind, from, to) {
    const before = this.scene.draft;
    this.scene.draft = pane ? { pane, from, to, shape: kind === "region" ? this.shape : "box" } : null;
    const shown = pane || (before && before.pane);
    if (shown) shown.draw();
  }
}
