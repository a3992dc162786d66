// A row of small viewers on plain canvases: neighbours and prototypes beside the main case. Each fetches only the
// slices it shows, follows the main viewer's window, and (linked) scrolls with the others by the same distance in mm.

import { html, say, write } from "./dom.js";
import { Space, planesOf } from "./geometry.js";
import { following } from "./link.js";
import { keptVoxels } from "./voxels.js";
import { PRESETS, openingWindow } from "./windows.js";

const KEPT_SLICES = 24; // a viewer: enough to scroll back and forth
const WHEEL_STEP = 60;

export class Small {
  constructor(component) {
    this.row = html("div", { class: "small-row", role: "group" });
    component.parentElement.append(this.row);
    this.view = { window: null, invert: false };
    this.cells = [];
    this.offset = 0; // mm, shared where linked
    this.update(component);
    this.deaf = following((view) => {
      this.view = view;
      for (const cell of this.cells) cell.draw();
    });
    this.watch = new ResizeObserver(() => this.cells.forEach((cell) => cell.draw()));
    this.watch.observe(this.row);
  }

  update(component) {
    const { data } = component;
    this.component = component;
    this.data = data;
    this.row.style.height = `${data.height}px`;
    const key = JSON.stringify(data.items.map((item) => [item.case.id, item.place_mm, item.slice, item.label]));
    if (key === this.key) return;
    this.key = key;
    this.offset = 0;
    for (const cell of this.cells) cell.close();
    this.cells = data.items.map((item) => new Cell(this, item));
    this.row.replaceChildren(...this.cells.map((cell) => cell.root));
    for (const cell of this.cells) cell.show();
  }

  scroll(from, mm) {
    const linked = this.data.linked !== false;
    for (const cell of linked ? this.cells : [from]) cell.move(mm);
  }

  press(item) {
    this.component.setTriggerValue("pressed", item.case.id);
  }

  destroy() {
    this.deaf();
    this.watch.disconnect();
    for (const cell of this.cells) cell.close();
    this.row.remove();
  }
}

class Cell {
  constructor(owner, item) {
    this.owner = owner;
    this.item = item;
    const { words } = owner.data;
    this.kase = item.case;
    this.space = new Space(this.kase.geometry, this.kase.shape);
    const voxel = item.place_mm ? this.space.toVoxel(this.space.fromPatient(item.place_mm)) : null;
    const middle = Math.floor((this.kase.shape[0] - 1) / 2);
    this.slice = this.clamp(voxel ? voxel[2] : item.slice ?? middle);
    this.spot = voxel;
    this.slices = new Map();
    this.stop = new AbortController();
    this.canvas = html("canvas", {});
    this.note = html("div", { class: "corner bl" });
    this.title = html("div", { class: "corner tl" }, this.kase.title || "");
    const label = item.label ? html("span", { class: "label", style: item.colour ? `--mark:${item.colour}` : null }, item.label) : "";
    const distance = item.distance ? html("span", { class: "distance" }, item.distance) : "";
    const open = say(words.open_case, { case: this.kase.title || "" });
    const said = [open, item.label, item.distance].filter(Boolean).join(", ");
    this.root = html("div", { class: "small", role: "button", tabindex: "0", title: said, "aria-label": said },
      html("div", { class: "image" }, this.canvas, this.title, this.note), html("div", { class: "caption" }, label, distance));
    let wheel = 0;
    this.root.addEventListener("wheel", (event) => {
      event.preventDefault();
      wheel += event.deltaY;
      const steps = Math.trunc(wheel / WHEEL_STEP);
      if (!steps) return;
      wheel = 0;
      owner.scroll(this, Math.sign(steps) * this.space.spacing[2]);
    }, { passive: false });
    this.root.addEventListener("click", () => owner.press(item));
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      owner.press(item);
    });
  }

  clamp(slice) {
    return Math.min(this.kase.shape[0] - 1, Math.max(0, slice));
  }

  move(mm) {
    this.slice = this.clamp(this.slice + mm / this.space.spacing[2]);
    this.show();
  }

  async show() {
    const slice = Math.round(this.slice);
    write(this.note, this.kase.shape[0] > 1 ? `${slice + 1} / ${this.kase.shape[0]}` : "");
    const values = await this.fetch(slice);
    if (!values || slice !== Math.round(this.slice)) return;
    this.values = values;
    this.draw();
  }

  async fetch(slice) {
    if (this.slices.has(slice)) return this.slices.get(slice);
    const whole = keptVoxels(this.kase.id);
    if (whole && whole.arrived[slice]) {
      return whole.values.subarray(slice * whole.sliceLength, (slice + 1) * whole.sliceLength);
    }
    try {
      const answer = await fetch(`${this.kase.voxels}?first=${slice}&count=1`, { signal: this.stop.signal, credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      const body = await answer.arrayBuffer();
      const values = this.kase.colour ? new Uint8Array(body) : new Int16Array(body);
      this.slices.set(slice, values);
      if (this.slices.size > KEPT_SLICES) this.slices.delete(this.slices.keys().next().value);
      return values;
    } catch {
      if (!this.stop.signal.aborted) write(this.note, this.owner.data.words.load_failed);
      return null;
    }
  }

  window() {
    const { view } = this.owner;
    if (this.kase.is_hu && view.isHu && view.window) return view.window;
    if (this.kase.windows?.length || this.kase.is_hu) return openingWindow(this.kase, 0, 0);
    let [low, high] = [Infinity, -Infinity];
    for (const value of this.values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return openingWindow(this.kase, low, high) || PRESETS.soft;
  }

  draw() {
    if (!this.values || !this.root.isConnected) return;
    const [, rows, columns] = this.kase.shape;
    const picture = new ImageData(columns, rows);
    paint(picture.data, this.values, this.kase.colour, this.window(), this.owner.view.invert);
    const source = new OffscreenCanvas(columns, rows);
    source.getContext("2d").putImageData(picture, 0, 0);
    const box = this.canvas.parentElement;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [box.clientWidth, box.clientHeight];
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const context = this.canvas.getContext("2d");
    const [dx, dy] = [this.space.spacing[0], this.space.spacing[1]];
    const scale = Math.min(this.canvas.width / (columns * dx), this.canvas.height / (rows * dy));
    // Turned like the main viewer's own plane, where the case says which way the patient lies.
    const plane = planesOf(this.space, this.kase.kind).find((one) => one.axis === 2);
    context.translate(this.canvas.width / 2, this.canvas.height / 2);
    context.transform(plane.right[0], plane.down[0], plane.right[1], plane.down[1], 0, 0);
    context.scale(scale * dx, scale * dy);
    context.imageSmoothingQuality = "high";
    context.drawImage(source, -columns / 2, -rows / 2);
    if (this.spot && Math.abs(this.spot[2] - this.slice) * this.space.spacing[2] <= 6) this.ring(context, scale, ratio);
    this.root.dataset.slice = String(Math.round(this.slice));
  }

  ring(context, scale, ratio) {
    const [, rows, columns] = this.kase.shape;
    const { spacing } = this.space;
    context.scale(1 / (scale * spacing[0]), 1 / (scale * spacing[1]));
    context.beginPath();
    context.arc((this.spot[0] + 0.5 - columns / 2) * spacing[0] * scale, (this.spot[1] + 0.5 - rows / 2) * spacing[1] * scale,
      Math.max(9 * scale, 7 * ratio), 0, 2 * Math.PI);
    context.strokeStyle = this.item.colour || "#4fc4b5";
    context.lineWidth = 1.5 * ratio;
    context.stroke();
  }

  close() {
    this.stop.abort();
    this.slices.clear();
  }
}

/** Grey or colour values into RGBA. */
export function paint(out, values, colour, [width, level], invert) {
  const low = level - width / 2;
  const gain = 255 / width;
  for (let i = 0, o = 0; o < out.length; o += 4) {
    if (colour) {
      out[o] = values[i++];
      out[o + 1] = values[i++];
      out[o + 2] = values[i++];
    } else {
      const grey = (values[i++] - low) * gain;
      out[o] = out[o + 1] = out[o + 2] = invert ? 255 - grey : grey; // clamped by the array
    }
    out[o + 3] = 255;
  }
}
