// One plane of the case: a Cornerstone viewport with our writing and drawing over it.

import { Enums, closeViewport, heat, openViewport } from "./engine.js";
import { html, svg, write } from "./dom.js";
import { cameraOf, lettersOf } from "./geometry.js";
import { drawMarks } from "./drawing.js";
import { rangeOf } from "./windows.js";

const MIN_ZOOM = 0.2;
const MAX_ZOOM = 40;

export class Pane {
  constructor(scene) {
    this.scene = scene;
    this.view = html("div", { class: "view" });
    this.drawn = svg("svg", { class: "drawn", "aria-hidden": "true" });
    this.corners = {};
    this.root = html("div", { class: "pane" }, this.view, this.drawn);
    for (const name of ["tl", "tr", "bl", "br"]) {
      this.corners[name] = html("div", { class: `corner ${name}` });
      this.root.append(this.corners[name]);
    }
    this.letters = {};
    for (const name of ["left", "right", "top", "bottom"]) {
      this.letters[name] = html("div", { class: `letter ${name}` });
      this.root.append(this.letters[name]);
    }
    this.viewport = null;
    this.volumeId = null;
    this.overlayId = null;
    this.plane = null;
    this.shows = 0;
    this.redraw = () => this.draw();
  }

  /** Opens the viewport; the root must be in the document and have a size. */
  open() {
    if (this.viewport) return;
    this.measure();
    this.viewport = openViewport(this.view);
    this.view.addEventListener(Enums.Events.IMAGE_RENDERED, this.redraw);
  }

  close() {
    if (!this.viewport) return;
    this.view.removeEventListener(Enums.Events.IMAGE_RENDERED, this.redraw);
    closeViewport(this.viewport);
    this.viewport = null;
    this.volumeId = null;
    this.overlayId = null;
  }

  get axis() {
    return this.plane.axis;
  }

  get slices() {
    return this.scene.space.size[this.axis];
  }

  get slice() {
    return this.scene.point[this.axis];
  }

  /** Shows a volume in a plane at the scene's point, fitted to the pane. */
  async show(volumeId, plane) {
    this.open();
    const turn = ++this.shows;
    this.plane = plane;
    if (this.overlayId) this.viewport.removeData(this.overlayId);
    this.overlayId = null;
    const camera = cameraOf(plane);
    if (this.volumeId !== volumeId) {
      this.volumeId = volumeId;
      await this.viewport.setDisplaySets({ displaySetId: volumeId, options: { orientation: camera } });
    }
    if (turn !== this.shows || !this.viewport) return false;
    this.viewport.setViewState({
      orientation: camera,
      slice: { kind: "volumePoint", sliceWorldPoint: this.centre() },
      anchorWorld: undefined,
      anchorCanvas: [0.5, 0.5],
      scale: [1, 1],
      scaleMode: "fit",
      rotation: 0,
    });
    this.paint();
    const letters = this.scene.letters ? lettersOf(this.scene.space, plane) : {};
    for (const [name, node] of Object.entries(this.letters)) write(node, letters[name] || "");
    this.root.dataset.plane = plane.name;
    return true;
  }

  // The middle of the shown slice, in viewer space.
  centre() {
    const { space, point } = this.scene;
    return space.fromVoxel(space.size.map((n, i) => (i === this.axis ? point[i] : (n - 1) / 2)));
  }

  /** Moves to the scene's point. */
  follow() {
    if (!this.viewport || !this.volumeId) return;
    this.viewport.setViewState({ slice: { kind: "volumePoint", sliceWorldPoint: this.centre() } });
    this.viewport.render();
  }

  /**
   * Takes the size the page gives it now. Cornerstone's engine asks a hidden canvas whether anything changed, and that
   * one keeps its first size; and a canvas of a new size is empty until it is drawn again.
   */
  fill() {
    this.measure();
    if (!this.viewport) return;
    this.viewport.resize();
    if (!this.volumeId) return;
    this.viewport.render();
    this.draw();
  }

  /** Applies window and inversion. */
  paint() {
    if (!this.viewport || !this.volumeId) return;
    const { window, invert } = this.scene;
    this.viewport.setDisplaySetPresentation(this.volumeId, { voiRange: rangeOf(window), invert });
    this.viewport.render();
  }

  async lay(overlayId, opacity, on) {
    if (!this.viewport || !this.volumeId) return;
    if (this.overlayId && this.overlayId !== overlayId) {
      this.viewport.removeData(this.overlayId);
      this.overlayId = null;
    }
    if (overlayId && !this.overlayId) {
      this.overlayId = overlayId;
      await this.viewport.addDisplaySet(overlayId, { role: "overlay", orientation: cameraOf(this.plane) });
    }
    if (!this.viewport) return;
    if (this.overlayId) this.viewport.setDisplaySetPresentation(this.overlayId, heat(opacity, on));
    this.viewport.render();
  }

  get zoom() {
    return this.viewport ? this.viewport.getZoom() : 1;
  }

  zoomBy(factor, at) {
    const zoom = Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, this.zoom * factor));
    this.viewport.setScale([zoom, zoom], at);
    this.viewport.render();
  }

  panBy(dx, dy) {
    const [x, y] = this.viewport.getPan();
    this.viewport.setPan([x + dx, y + dy]);
    this.viewport.render();
  }

  fit() {
    this.viewport.setViewState({ anchorWorld: undefined, anchorCanvas: [0.5, 0.5], scale: [1, 1], scaleMode: "fit" });
    this.viewport.render();
  }

  /** Canvas point (CSS pixels from the pane's top left) of a point in viewer space. */
  toCanvas(point) {
    return this.viewport.worldToCanvas(point);
  }

  /** Point in viewer space, on the shown slice, under a canvas point. */
  toPoint(canvas) {
    const point = [...this.viewport.canvasToWorld(canvas)];
    point[this.axis] = this.slice * this.scene.space.spacing[this.axis];
    return point;
  }

  /** CSS pixels a mm. */
  get pixelsPerMm() {
    const a = this.toCanvas([0, 0, 0]);
    const b = this.toCanvas(this.plane.right.map((v) => v * 100));
    return Math.hypot(b[0] - a[0], b[1] - a[1]) / 100;
  }

  /** Takes its size from the page: read once a change, for reading it in a frame costs a layout. */
  measure() {
    this.width = this.view.clientWidth;
    this.height = this.view.clientHeight;
  }

  draw() {
    if (!this.viewport || !this.plane || !this.volumeId) return;
    this.root.dataset.slice = String(this.slice);
    this.root.dataset.zoom = this.zoom.toFixed(3);
    this.scene.writeCorners(this);
    drawMarks(this);
  }
}
