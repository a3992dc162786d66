// The window a case is seen through: which it opens with, and who changed it.

import { announce } from "./link.js";
import { openingWindow } from "./windows.js";

let chosen = null; // a person's window, kept from one HU case to the next

export class Windowing {
  constructor(viewer) {
    this.viewer = viewer;
    this.settled = false; // false while greys without a window of their own still arrive
  }

  /** For a case just opened: what Python asks for, else what the person chose before, else the case's own. */
  open(asked) {
    const { scene, voxels } = this.viewer;
    const { kase } = scene;
    scene.invert = false;
    scene.window = asked || (kase.is_hu && chosen) || openingWindow(kase, voxels.low, voxels.high);
    this.settled = Boolean(asked) || kase.is_hu || voxels.complete;
  }

  /** More slices are here: greys spread over all their values. */
  arrived() {
    if (this.settled) return;
    const { scene, voxels } = this.viewer;
    scene.window = openingWindow(scene.kase, voxels.low, voxels.high);
    this.settled = voxels.complete;
    this.apply();
  }

  /** `keep`: a person's choice, which goes along to the next case. */
  set(window, keep = true) {
    const { scene } = this.viewer;
    scene.window = window;
    this.settled = true;
    if (keep && scene.kase.is_hu) chosen = window;
    this.apply();
  }

  reset() {
    const { scene, voxels } = this.viewer;
    chosen = null;
    this.set(openingWindow(scene.kase, voxels.low, voxels.high), false);
  }

  invert() {
    this.viewer.scene.invert = !this.viewer.scene.invert;
    this.apply();
  }

  apply() {
    const { viewer } = this;
    for (const pane of viewer.scene.panes) pane.paint();
    viewer.showTools();
    this.tell();
  }

  /** Small viewers follow. */
  tell() {
    const { window, invert, kase } = this.viewer.scene;
    announce({ window, invert, isHu: kase.is_hu });
  }
}
