// The map laid over a case: uint8 values on a grid of its own, fetched whole (it is small), placed in viewer space.

import { dropVolume, putVolume } from "./engine.js";
import { Space } from "./geometry.js";

const KEPT = 4; // maps kept, so that stepping between methods does not fetch again
const kept = new Map(); // url -> {values, grid}, oldest first

/** Fetches an overlay and hands it to Cornerstone; resolves to its volume id. Throws where it cannot be had. */
export async function overlayVolume(overlay, space, frame, signal) {
  let found = kept.get(overlay.url);
  if (!found) {
    const answer = await fetch(overlay.url, { credentials: "same-origin", signal });
    if (!answer.ok) throw new Error(String(answer.status));
    const values = new Uint8Array(await answer.arrayBuffer());
    const [slices, rows, columns] = overlay.shape;
    if (values.length !== slices * rows * columns) throw new Error("length");
    found = { values, grid: gridIn(space, overlay) };
  }
  kept.delete(overlay.url);
  kept.set(overlay.url, found);
  return putVolume(overlay.url, found.values, 1, found.grid, () => [0, 255], frame);
}

/** Lets go of the oldest maps, never of `inUse`. */
export function trimOverlays(inUse) {
  for (const url of [...kept.keys()]) {
    if (kept.size <= KEPT) break;
    if (url === inUse) continue;
    kept.delete(url);
    dropVolume(url);
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
