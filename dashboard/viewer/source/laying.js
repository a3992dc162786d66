// Lays the overlay over every pane, with its strength and its switch, which a person keeps from map to map.

import { overlayVolume, trimOverlays } from "./overlay.js";

const STRENGTH = 0.6; // where Python says nothing: the map is clear and the CT still shows through

export class Laying {
  constructor(viewer) {
    this.viewer = viewer;
    this.shown = null; // {url, opacity, on}, null without an overlay
    this.failed = false;
  }

  /** Takes over what Python wants shown. */
  async lay() {
    const { viewer } = this;
    const wanted = viewer.data.overlay;
    if (wanted && (!this.shown || this.shown.url !== wanted.url)) {
      const { opacity, on } = this.shown || { opacity: wanted.opacity ?? STRENGTH, on: wanted.on !== false };
      this.shown = { url: wanted.url, opacity, on };
    }
    if (!wanted) this.shown = null;
    this.failed = false;
    viewer.showTools();
    for (const pane of viewer.scene.panes) {
      if (!pane.plane) continue;
      const id = wanted ? await this.volumeFor(wanted, pane.axis) : null;
      if (viewer.data.overlay !== wanted || viewer.gone) return;
      await pane.lay(id, this.shown ? this.shown.opacity : 0, Boolean(this.shown && this.shown.on));
    }
    if (viewer.data.overlay !== wanted || viewer.gone) return;
    viewer.root.dataset.overlay = wanted && !this.failed ? (this.shown.on ? "on" : "off") : "none";
    trimOverlays(wanted ? wanted.url : null);
  }

  async volumeFor(wanted, axis) {
    const { space, kase } = this.viewer.scene;
    try {
      return await overlayVolume(wanted, space, kase.id, axis);
    } catch {
      this.failed = true;
      return null;
    }
  }

  fade(opacity) {
    if (!this.shown) return;
    this.shown.opacity = opacity;
    this.lay();
  }

  toggle() {
    if (!this.shown) return false;
    this.shown.on = !this.shown.on;
    this.lay();
    return true;
  }
}
