// The main viewer: one case, one plane or three, its tools and keys. Python hands it `data` (see dashboard/viewer).

import { act } from "./actions.js";
import { writeCorners } from "./corners.js";
import { html, say } from "./dom.js";
import { dropVolume, heldByCornerstone, putVolume, theEngine, volumeChanged } from "./engine.js";
import { Space, planesOf } from "./geometry.js";
import { hear } from "./gestures.js";
import { helpSheet } from "./help.js";
import { listen } from "./keys.js";
import { Laying } from "./laying.js";
import { Marking } from "./marking.js";
import { Outbox } from "./outbox.js";
import { Pane } from "./pane.js";
import * as ruler from "./ruler.js";
import { Slider } from "./slider.js";
import { Toolbar } from "./toolbar.js";
import { keptIds, trimKept, voxelsOf } from "./voxels.js";
import { Windowing } from "./windowing.js";
import { PRESETS, presetName } from "./windows.js";

const REFRESH_MS = 250; // other planes are redrawn at most this often while slices arrive
const SETTLED_MS = 400; // rested on a slice, not scrolling past it
const inUse = new Map(); // viewer -> case id

export class Viewer {
  constructor(component) {
    this.outbox = new Outbox((value) => component.setTriggerValue("events", value));
    this.active = null;
    this.scene = {
      kase: null, space: null, point: [0, 0, 0], window: PRESETS.soft, invert: false, panes: [], places: [], region: null,
      draft: null, drawPlaces: true, letters: false, writeCorners: (pane) => writeCorners(this, pane),
    };
    this.build(component.data);
    component.parentElement.append(this.root);
    this.pane = new Pane(this.scene);
    this.others = [];
    this.scene.panes = [this.pane];
    this.stage.append(this.pane.root);
    hear(this.pane, this);
    this.watch = new ResizeObserver(() => this.resized());
    this.watch.observe(this.stage);
    this.deaf = listen({ root: this.root, press: (found) => this.press(found) });
    this.update(component);
  }

  build(data) {
    this.stage = html("div", { class: "stage" });
    this.sheet = html("div", { class: "sheet-place", hidden: true });
    this.marking = new Marking(this);
    this.laying = new Laying(this);
    this.windowing = new Windowing(this);
    this.frame = html("div", { class: "frame" }, this.stage, this.marking.bar, this.sheet);
    this.slider = new Slider((slice) => this.goTo(slice));
    this.root = html("div", { class: "viewer", "data-ready": "false" }, this.frame, this.slider.root);
    this.root.handful = this;
    this.speak(data);
  }

  /** Builds what carries words, again where the person changed the language. */
  speak({ words, labelling }) {
    this.words = words;
    this.slider.root.setAttribute("aria-label", words.slice);
    const before = this.toolbar;
    this.toolbar = new Toolbar(words, (name) => act(this, name), (value) => this.laying.fade(value));
    if (before) before.root.replaceWith(this.toolbar.root);
    else this.root.append(this.toolbar.root);
    this.sheet.replaceChildren(helpSheet(words, labelling !== false, () => this.help(false)));
  }

  /** New data from Python: another case, or other marks, places, overlay, theme on the same. */
  update(component) {
    const { data } = component;
    this.component = component;
    this.data = data;
    this.outbox.send = (value) => component.setTriggerValue("events", value);
    this.outbox.acknowledge(data.seen);
    if (data.words.lung !== this.words.lung) this.speak(data);
    this.root.style.height = typeof data.height === "number" ? `${data.height}px` : data.height;
    const startKey = JSON.stringify(data.start || null);
    if (!this.scene.kase || this.scene.kase.id !== data.case.id) this.openCase(data);
    else {
      // What the person drew a moment ago stands until Python has seen it: a run in between would take it away again.
      if (!this.outbox.holds("place", "region", "clear_place", "clear_region")) this.takeMarks(data);
      if (startKey !== this.startKey && !this.isOwnPoint(data.start)) this.jump(data.start);
      this.changed();
    }
    this.startKey = startKey;
  }

  takeMarks(data) {
    this.scene.places = data.places || [];
    this.scene.region = data.region || null;
  }

  // The page answers a click on the finding by opening there: we are there already.
  isOwnPoint(start) {
    const { pointed } = this.marking;
    return Boolean(start && start.place_mm && pointed && start.place_mm.every((mm, i) => mm === pointed[i]));
  }

  openCase(data) {
    const { scene } = this;
    const kase = data.case;
    this.root.dataset.ready = "false";
    if (this.voxels) this.leave();
    scene.kase = kase;
    scene.space = new Space(kase.geometry, kase.shape);
    scene.letters = kase.kind === "volume" && kase.oriented !== false;
    this.takeMarks(data);
    this.marking.pointed = null;
    this.planes = planesOf(scene.space, kase.kind);
    this.own = this.planes.find((plane) => plane.axis === 2);
    this.voxels = voxelsOf(kase);
    inUse.set(this, kase.id);
    trimKept(new Set(inUse.values()), dropVolume);
    scene.point = scene.space.size.map((n) => Math.floor((n - 1) / 2));
    this.place(data.start);
    this.windowing.open(data.start && data.start.window);
    this.arrived = (first, count) => this.slicesArrived(first, count);
    this.voxels.listeners.add(this.arrived);
    this.voxels.load(scene.point[2]);
    this.marking.setMode("window");
    ruler.setMeasured(scene.space.measured);
    this.three(this.others.length > 0);
    this.present(this.own);
  }

  /** Shows a plane in the main pane (and the other two beside it in the three-plane view). */
  async present(plane) {
    const { scene, voxels } = this;
    const { size, spacing } = scene.space;
    theEngine();
    this.volumeId = putVolume(scene.kase.id, voxels.values, voxels.components,
      { size, spacing, origin: [0, 0, 0], direction: [1, 0, 0, 0, 1, 0, 0, 0, 1] },
      () => (voxels.low <= voxels.high ? [voxels.low, voxels.high] : [0, 1]), scene.kase.id);
    const rest = this.planes.filter((one) => one !== plane);
    const showing = scene.panes.map((pane, i) => pane.show(this.volumeId, i === 0 ? plane : rest[i - 1]));
    // The page may have gone on to another step meanwhile, and the engine then finds its viewport destroyed.
    const shown = await Promise.all(showing).catch((error) => {
      if (!this.gone) throw error;
      return [];
    });
    if (this.gone || !shown[0]) return;
    for (const pane of scene.panes) ruler.addTo(pane.viewport);
    ruler.switchRuler(this.marking.mode === "ruler");
    this.changed();
    this.ready();
  }

  leave() {
    this.voxels.listeners.delete(this.arrived);
    this.voxels.pause();
  }

  /** Takes over everything that may differ on the same case. */
  changed() {
    this.showMarks();
    this.showTools();
    this.laying.lay();
    for (const pane of this.scene.panes) pane.draw();
  }

  slicesArrived(first, count) {
    const { scene, voxels } = this;
    this.root.dataset.loaded = String(voxels.count);
    if (count) this.windowing.arrived();
    const now = performance.now();
    const here = scene.point[2] >= first && scene.point[2] < first + count;
    const across = scene.panes.some((pane) => pane.plane && pane.axis !== 2);
    if (here || voxels.complete || (across && now - (this.refreshed || 0) > REFRESH_MS)) {
      this.refreshed = now;
      if (this.volumeId) volumeChanged(this.volumeId);
    } else writeCorners(this, this.pane);
    this.ready();
  }

  ready() {
    const here = this.voxels.arrived[this.scene.point[2]];
    const ready = Boolean(this.volumeId && this.pane.volumeId === this.volumeId && here);
    if (ready && this.root.dataset.ready !== "true") {
      requestAnimationFrame(() => {
        this.root.dataset.ready = "true";
        this.root.dataset.case = this.scene.kase.id;
        if (!this.firstImage) this.firstImage = performance.now();
      });
    }
    this.root.dataset.loaded = String(this.voxels.count);
    this.root.dataset.complete = String(this.voxels.complete);
  }

  // --- moving ---------------------------------------------------------------------------------------------------

  place(start) {
    const { scene } = this;
    if (!start) return;
    if (start.place_mm) {
      const voxel = scene.space.toVoxel(scene.space.fromPatient(start.place_mm));
      scene.point = scene.space.clamp(voxel.map(Math.round));
    } else if (Number.isInteger(start.slice)) {
      scene.point = scene.space.clamp([scene.point[0], scene.point[1], start.slice]);
    }
  }

  jump(start) {
    this.place(start);
    if (start && start.window) this.windowing.set(start.window);
    for (const pane of this.scene.panes) pane.follow();
    this.showSlice();
  }

  step(by, pane = this.active || this.pane) {
    if (!pane.plane) return;
    const last = pane.slices - 1;
    const next = by === -Infinity ? 0 : by === Infinity ? last : Math.min(last, Math.max(0, pane.slice + by));
    this.goTo(next, pane);
  }

  /** Shows a slice of a pane's plane; several moves within a frame draw once. */
  goTo(slice, pane = this.pane) {
    if (!pane.plane || slice === pane.slice) return;
    this.scene.point = [...this.scene.point];
    this.scene.point[pane.axis] = Math.min(pane.slices - 1, Math.max(0, slice));
    this.moved = pane;
    if (this.frameAsked) return;
    this.frameAsked = requestAnimationFrame(() => {
      this.frameAsked = 0;
      for (const one of this.scene.panes) if (one.axis === this.moved.axis) one.follow(); else one.draw();
      this.showSlice();
    });
  }

  /** A press without a drag: in the three-plane view the other planes cut through it. */
  pressed(pane, at) {
    if (this.scene.panes.length < 2) return;
    const voxel = this.scene.space.clamp(this.scene.space.toVoxel(pane.toPoint(at)).map(Math.round));
    voxel[pane.axis] = pane.slice;
    this.scene.point = voxel;
    for (const one of this.scene.panes) if (one === pane) one.draw(); else one.follow();
    this.showSlice();
  }

  focus(pane) {
    this.active = pane;
  }

  showSlice() {
    const { pane } = this;
    if (!pane.plane) return;
    const text = say(this.words.slice_of, { n: pane.slice + 1, of: pane.slices });
    this.slider.show(pane.slice, pane.slices, text);
    this.root.dataset.slice = String(pane.slice);
    this.root.dataset.plane = pane.plane.name;
    clearTimeout(this.settle);
    this.settle = setTimeout(() => this.fetchHere(), SETTLED_MS);
    this.windowing.tell();
  }

  /** Where somebody rests on a slice that is not here yet (or that failed), it is fetched next. */
  fetchHere() {
    const { voxels, scene } = this;
    if (voxels.complete || this.gone) return;
    if (voxels.failed || !voxels.arrived[scene.point[2]]) voxels.load(scene.point[2]);
  }

  showMarks() {
    const { pane, scene } = this;
    if (!pane.plane) return;
    const marks = pane.axis === 2 ? [...(this.data.marks || [])] : [];
    for (const one of scene.places) {
      const voxel = scene.space.toVoxel(scene.space.fromPatient(one.centre_mm));
      marks.push({ slice: Math.round(voxel[pane.axis]), kind: one.by === "finder" ? "found" : "place",
        colour: one.colour, title: one.label || "" });
    }
    this.slider.mark(marks, pane.slices);
    this.showSlice();
  }

  // --- windows, planes, overlay -----------------------------------------------------------------------------------

  async setPlane(name) {
    const plane = this.planes.find((one) => one.name === name);
    if (!plane || plane === this.pane.plane) return;
    await this.present(plane);
  }

  /** Opens or closes the two panes beside the main one. */
  three(on) {
    const want = on && this.planes.length === 3;
    while (!want && this.others.length) {
      const pane = this.others.pop();
      if (pane.viewport) ruler.removeFrom(pane.viewport);
      pane.close();
      pane.root.remove();
    }
    while (want && this.others.length < 2) {
      const pane = new Pane(this.scene);
      hear(pane, this);
      this.others.push(pane);
      this.stage.append(pane.root);
    }
    this.stage.dataset.panes = want ? "3" : "1";
    this.scene.panes = [this.pane, ...this.others];
    this.active = null;
    this.resized();
  }

  /** One plane or three; false for a case that has only one. */
  togglePlanes() {
    if (this.planes.length < 3) return false;
    this.three(!this.others.length);
    return this.present(this.pane.plane);
  }

  single(pane) {
    if (this.scene.panes.length < 2) return;
    const { plane } = pane;
    this.three(false);
    this.present(plane);
  }

  // --- what a key or button does -------------------------------------------------------------------------------------

  press(found) {
    if (!this.root.isConnected) return false;
    if ("step" in found) {
      this.step(found.step);
      return true;
    }
    if (found.label) {
      if (this.data.labelling === false) return false;
      this.outbox.post({ kind: "key", key: found.label, case: this.scene.kase.id });
      return true;
    }
    return act(this, found.act) !== false;
  }

  help(open) {
    this.sheet.hidden = !open;
    this.root.dataset.help = String(open);
  }

  showTools() {
    const { scene } = this;
    if (!scene.kase) return;
    this.toolbar.show({
      presets: scene.kase.is_hu, preset: presetName(scene.window), mode: this.marking.mode,
      pointing: this.data.pointing !== false, regions: this.data.regions !== false, planes: this.planes.length === 3,
      three: this.others.length > 0, overlay: this.laying.shown,
    });
    this.root.dataset.window = scene.window.map((v) => Math.round(v)).join(",");
  }

  // --- the cursor, the size, the end --------------------------------------------------------------------------------

  hover(pane, at) {
    const before = this.hovered;
    this.hovered = pane ? { pane, at } : null;
    if (pane) writeCorners(this, pane);
    if (before && before.pane !== pane) writeCorners(this, before.pane);
  }

  resized() {
    if (!this.pane || !this.pane.viewport) return;
    for (const pane of this.scene.panes) pane.fill();
  }

  /** What is held, for tests of leaks. */
  census() {
    return { kept: keptIds(), ...heldByCornerstone() };
  }

  destroy() {
    this.gone = true;
    this.deaf();
    this.watch.disconnect();
    if (this.frameAsked) cancelAnimationFrame(this.frameAsked);
    clearTimeout(this.settle);
    if (this.voxels) this.leave();
    inUse.delete(this);
    for (const pane of this.scene.panes) {
      if (pane.viewport) ruler.removeFrom(pane.viewport);
      pane.close();
    }
    trimKept(new Set(inUse.values()), dropVolume);
    this.root.remove();
  }
}
