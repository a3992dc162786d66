// The map laid over a case: uint8 values on a coarse grid of its own, fetched whole (it is small), placed in viewer space.
//
// For each plane it is interpolated to the case's own slices along that plane's axis, and left coarse within the plane:
// Cornerstone then takes one small slice of it a frame and the canvas smooths it. (Measured at 512x512x200: sampling the
// coarse grid at every pixel of the screen cost four times as much as the CT itself.)

import { dropVolume, putVolume } from "./engine.js";
import { Space } from "./geometry.js";

const KEPT = 4; // maps kept, so that stepping between methods does not fetch again
const PARALLEL = 0.999; // cosine above which an overlay's axis counts as the case's own
const kept = new Map(); // url -> {values, ids}, oldest first

/** Fetches an overlay and hands it to Cornerstone for a plane cut along `axis`; resolves to its volume id. */
export async function overlayVolume(overlay, space, frame, axis) {
  const found = kept.get(overlay.url) || { values: await fetched(overlay), ids: new Set() };
  kept.delete(overlay.url);
  kept.set(overlay.url, found);
  const id = `${overlay.url}#${axis}`;
  if (found.ids.has(id)) return putVolume(id);
  found.ids.add(id);
  const { values, grid } = alignedTo(space, axis, found.values, gridIn(space, overlay));
  return putVolume(id, values, 1, grid, () => [0, 255], frame);
}

async function fetched(overlay) {
  const answer = await fetch(overlay.url, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  const values = new Uint8Array(await answer.arrayBuffer());
  const [slices, rows, columns] = overlay.shape;
  if (values.length !== slices * rows * columns) throw new Error("length");
  return values;
}

/** Lets go of the oldest maps, never of `inUse`. */
export function trimOverlays(inUse) {
  for (const [url, { ids }] of [...kept]) {
    if (kept.size <= KEPT) break;
    if (url === inUse) continue;
    kept.delete(url);
    for (const id of ids) dropVolume(id);
  }
}

/** The overlay's grid in the case's viewer space. */
export function gridIn(space, overlay) {
  const own = new Space(overlay.geometry, overlay.shape);
  const origin = space.fromPatient(own.origin);
  const direction = own.axes.flatMap((axis) => {
    const tip = space.fromPatient(axis.map((value, i) => value + space.origin[i]));
    const length = Math.hypot(...tip);
    return tip.map((value) => value / length);
  });
  return { size: own.size, spacing: own.spacing, origin, direction };
}

/** The map with one slice for each of the case's along `axis`; as it is where it lies askew to the case. */
export function alignedTo(space, axis, values, grid) {
  const cosines = [0, 1, 2].map((i) => grid.direction[4 * i]);
  if (cosines.some((cosine) => Math.abs(cosine) < PARALLEL)) return { values, grid };
  const size = grid.size.map((n, i) => (i === axis ? space.size[axis] : n));
  const [step, fine] = [strides(grid.size), strides(size)];
  const [b, c] = [0, 1, 2].filter((i) => i !== axis);
  const out = new Uint8Array(size[0] * size[1] * size[2]);
  const last = grid.size[axis] - 1;
  for (let k = 0; k < size[axis]; k++) {
    const t = (Math.sign(cosines[axis]) * (k * space.spacing[axis] - grid.origin[axis])) / grid.spacing[axis];
    if (t < -0.5 || t > last + 0.5) continue;
    const low = Math.min(last, Math.max(0, Math.floor(t)));
    const high = Math.min(last, low + 1);
    const part = Math.min(1, Math.max(0, t - low));
    for (let j = 0; j < size[c]; j++) {
      for (let i = 0; i < size[b]; i++) {
        const at = i * step[b] + j * step[c];
        const value = values[at + low * step[axis]] * (1 - part) + values[at + high * step[axis]] * part;
        out[i * fine[b] + j * fine[c] + k * fine[axis]] = value + 0.5;
      }
    }
  }
  const put = (list, value) => list.map((old, i) => (i === axis ? value : old));
  const direction = [...grid.direction];
  direction[4 * axis] = 1;
  return {
    values: out,
    grid: { size, spacing: put(grid.spacing, space.spacing[axis]), origin: put(grid.origin, 0), direction },
  };
}

const strides = ([columns, rows]) => [1, columns, columns * rows];
