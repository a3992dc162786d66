// Draws whole slices: the common case of Cornerstone's CPU path, made cheaper.
//
// Cornerstone 5.14 copies a slice voxel by voxel through closures, draws it on a canvas of the screen's size, and copies
// that onto the visible one, for the CT and again for the overlay. Where a view cuts a volume along its voxels (all of
// ours do, see geometry.js) a table look-up into a canvas of the slice's size and one scaled drawing give the same
// picture for half the processor time (docs/viewer.md has the figures). Everything else is left to Cornerstone.

import { Enums, triggerEvent } from "@cornerstonejs/core";
import { CpuVolumeSliceRenderPath } from "./node_modules/@cornerstonejs/core/dist/esm/RenderingEngine/GenericViewport/Planar/CpuVolumeSliceRenderPath.js";
import { heatTable } from "./heat.js";

const UPRIGHT = 0.999; // cosine above which a direction counts as an axis
const WHOLE = 0.02; // of a slice: how far from a voxel's middle a view may cut
const COARSE = 0.7; // screen pixels a voxel below which smoothing has to average, not only to interpolate

const states = new WeakMap(); // Cornerstone's rendering -> what was drawn last
const heat = heatTable();
let version = 0;

/** Voxels changed: what was drawn is out of date. */
export function redrawSlices() {
  version += 1;
}

/** Lets Cornerstone draw through this file from now on. */
export function install() {
  const original = CpuVolumeSliceRenderPath.prototype.render;
  CpuVolumeSliceRenderPath.prototype.render = function render(context, rendering) {
    if (!draw(context, rendering)) original.call(this, context, rendering);
  };
}

function draw(context, rendering) {
  const volume = rendering.imageVolume;
  const camera = context.view.activeSourceICamera;
  const values = volume.voxelManager.getCompleteScalarDataArray?.();
  if (!camera?.focalPoint || !camera.viewUp || !values) return false;
  const cut = cutOf(volume, camera);
  if (!cut) return false;
  context.display.activateRenderMode(rendering.renderMode);
  context.cpu.canvas.style.display = "";
  context.cpu.canvas.style.opacity = "1";
  begin(context);
  const shown = rendering.dataPresentation?.visible !== false;
  // Before the viewer has set a window there is nothing to show yet.
  if (shown && cut.inside && rendering.dataPresentation?.voiRange) paint(context.cpu, rendering, values, cut, camera);
  rendering.renderingInvalidated = false;
  if (!shown) return true;
  context.display.markRendered();
  const { element } = context.viewport;
  const { viewportId, renderingEngineId } = context;
  triggerEvent(element, Enums.Events.IMAGE_RENDERED, {
    element, viewportId, renderingEngineId, viewportStatus: Enums.ViewportStatus.RENDERED,
  });
  return true;
}

// The first layer of a pass clears the canvas, as in Cornerstone.
function begin({ cpu }) {
  if (cpu.composition.clearedRenderPassId === cpu.composition.renderPassId) return;
  cpu.context.setTransform(1, 0, 0, 1, 0, 0);
  cpu.context.globalAlpha = 1;
  cpu.context.fillStyle = "#000";
  cpu.context.fillRect(0, 0, cpu.canvas.width, cpu.canvas.height);
  cpu.composition.clearedRenderPassId = cpu.composition.renderPassId;
}

// Which voxels a view shows: axes and signs of the screen's right and down, and the slice; null where it cuts askew.
function cutOf(volume, camera) {
  const up = camera.viewUp;
  const normal = camera.viewPlaneNormal;
  const right = [
    up[1] * normal[2] - up[2] * normal[1], up[2] * normal[0] - up[0] * normal[2], up[0] * normal[1] - up[1] * normal[0],
  ];
  const across = axisOf(right);
  const upward = axisOf(up);
  if (!across || !upward) return null;
  const axis = 3 - across.axis - upward.axis;
  const signs = [0, 1, 2].map((i) => Math.sign(volume.direction[4 * i]));
  if ([0, 4, 8].some((i) => Math.abs(volume.direction[i]) < UPRIGHT)) return null;
  const at = (signs[axis] * (camera.focalPoint[axis] - volume.origin[axis])) / volume.spacing[axis];
  const slice = Math.round(at);
  if (Math.abs(at - slice) > WHOLE) return null;
  return {
    slice, axis, inside: slice >= 0 && slice < volume.dimensions[axis], right, up,
    across: { axis: across.axis, sign: across.sign * signs[across.axis] },
    down: { axis: upward.axis, sign: -upward.sign * signs[upward.axis] },
  };
}

function axisOf(direction) {
  const axis = [0, 1, 2].find((i) => Math.abs(direction[i]) > UPRIGHT);
  return axis === undefined ? null : { axis, sign: Math.sign(direction[axis]) };
}

function paint(cpu, rendering, values, cut, camera) {
  const volume = rendering.imageVolume;
  const look = rendering.dataPresentation;
  const state = stateOf(rendering, volume, cut);
  const key = `${version} ${cut.slice} ${look.voiRange.lower} ${look.voiRange.upper} ${look.invert}`;
  if (state.key !== key) {
    state.key = key;
    fill(state, values, volume, cut, look);
    state.context.putImageData(state.image, 0, 0);
  }
  const { canvas, context } = cpu;
  const scale = canvas.height / (2 * camera.parallelScale);
  const [width, height] = [scale * volume.spacing[cut.across.axis], scale * volume.spacing[cut.down.axis]];
  // The middle of the first voxel drawn, on the canvas.
  const first = [...volume.origin];
  for (const { axis, sign } of [cut.across, cut.down]) {
    if (sign < 0) first[axis] += Math.sign(volume.direction[4 * axis]) * (volume.dimensions[axis] - 1) * volume.spacing[axis];
  }
  const off = first.map((value, i) => (i === cut.axis ? 0 : value - camera.focalPoint[i]));
  const x = canvas.width / 2 + scale * dot(off, cut.right);
  const y = canvas.height / 2 - scale * dot(off, cut.up);
  context.setTransform(width, 0, 0, height, x - width / 2, y - height / 2);
  context.globalAlpha = look.opacity ?? 1;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = Math.min(width, height) < COARSE ? "medium" : "low";
  context.drawImage(state.canvas, 0, 0);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 1;
}

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

// A canvas of the slice's size for each volume in a viewport.
function stateOf(rendering, volume, cut) {
  const size = `${cut.across.axis}${cut.down.axis}${cut.across.sign}${cut.down.sign}`;
  const known = states.get(rendering);
  if (known && known.size === size) return known;
  const [width, height] = [volume.dimensions[cut.across.axis], volume.dimensions[cut.down.axis]];
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const state = { size, canvas, context, image, pixels: new Uint32Array(image.data.buffer), key: "" };
  states.set(rendering, state);
  return state;
}

function fill(state, values, volume, cut, look) {
  const components = values.length / (volume.dimensions[0] * volume.dimensions[1] * volume.dimensions[2]);
  const strides = [1, volume.dimensions[0], volume.dimensions[0] * volume.dimensions[1]];
  const step = ({ axis, sign }) => sign * strides[axis];
  const start = ({ axis, sign }) => (sign < 0 ? (volume.dimensions[axis] - 1) * strides[axis] : 0);
  const [dx, dy] = [step(cut.across), step(cut.down)];
  const { width, height } = state.image;
  const { pixels } = state;
  let row = cut.slice * strides[cut.axis] + start(cut.across) + start(cut.down);
  const table = components === 1 ? tableFor(state, values, look) : null;
  const zero = values instanceof Int16Array ? 32768 : 0;
  for (let y = 0, out = 0; y < height; y++, row += dy) {
    for (let x = 0, at = row; x < width; x++, at += dx, out++) {
      pixels[out] = table ? table[values[at] + zero] : colourAt(values, 3 * at, look.invert);
    }
  }
}

const OPAQUE = 0xff000000;

function colourAt(values, at, invert) {
  const rgb = (values[at + 2] << 16) | (values[at + 1] << 8) | values[at];
  return ((invert ? rgb ^ 0xffffff : rgb) | OPAQUE) >>> 0;
}

// Every possible value's colour: the overlay's table, or the window (PS3.3 C.11.2.1.2.1) in grey.
function tableFor(state, values, look) {
  if (look.colormap) return heat;
  const { lower, upper } = look.voiRange;
  const key = `${lower} ${upper} ${look.invert}`;
  if (state.tableKey === key) return state.table;
  const signed = values instanceof Int16Array;
  state.table ||= new Uint32Array(signed ? 65536 : 256);
  state.tableKey = key;
  const width = Math.max(upper - lower, 1.001);
  const centre = (lower + upper) / 2;
  for (let i = 0; i < state.table.length; i++) {
    const value = i - (signed ? 32768 : 0);
    const part = (value - (centre - 0.5)) / (width - 1) + 0.5;
    const grey = Math.round(255 * Math.min(1, Math.max(0, look.invert ? 1 - part : part)));
    state.table[i] = (OPAQUE | (grey << 16) | (grey << 8) | grey) >>> 0;
  }
  return state.table;
}
