// From gestures on a pane to places in patient mm, as engine/nouns.py's Place keeps them.

const round = (mm) => mm.map((value) => Math.round(value * 100) / 100);

/** Sizes along [column, row, slice] -> (slice, row, column), the order of Place.size_mm. */
const sizes = (along) => round([along[2], along[1], along[0]]);

export function pointAt(pane, at) {
  return { centre_mm: round(pane.scene.space.toPatient(pane.toPoint(at))), size_mm: null, shape: "point", by: "person" };
}

// The two corners of a drag, in viewer space: middle and full extents; the depth stays open (null).
function between(pane, from, to) {
  const [a, b] = [pane.toPoint(from), pane.toPoint(to)];
  const extent = a.map((value, i) => Math.abs(b[i] - value));
  return { middle: a.map((value, i) => (value + b[i]) / 2), extent };
}

/** A box around a finding: as deep as the mean of its sides, for a drag says nothing of depth. */
export function boxBetween(pane, from, to) {
  const { middle, extent } = between(pane, from, to);
  const sides = extent.filter((_, i) => i !== pane.axis);
  extent[pane.axis] = Math.sqrt(sides[0] * sides[1]);
  return { centre_mm: round(pane.scene.space.toPatient(middle)), size_mm: sizes(extent), shape: "box", by: "person" };
}

/** A region of interest: a box between two corners, or a sphere around the point where the drag began. */
export function regionBetween(pane, from, to, shape) {
  if (shape === "box") return boxBetween(pane, from, to);
  const [a, b] = [pane.toPoint(from), pane.toPoint(to)];
  const across = 2 * Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
  return {
    centre_mm: round(pane.scene.space.toPatient(a)), size_mm: round([across, across, across]), shape: "sphere", by: "person",
  };
}

/** The region with its first or last slice moved to the shown one: a sphere becomes an ellipsoid of that height. */
export function withRange(scene, end) {
  const { region, space, point } = scene;
  const centre = space.fromPatient(region.centre_mm);
  const half = region.size_mm[0] / 2;
  const here = point[2] * space.spacing[2];
  let [low, high] = [centre[2] - half, centre[2] + half];
  // Whole slices: half a slice beyond the one shown.
  if (end === "from") low = here - space.spacing[2] / 2;
  else high = here + space.spacing[2] / 2;
  if (low >= high) [low, high] = [here - space.spacing[2] / 2, here + space.spacing[2] / 2];
  centre[2] = (low + high) / 2;
  return {
    ...region,
    centre_mm: round(space.toPatient(centre)),
    size_mm: round([high - low, region.size_mm[1], region.size_mm[2]]),
  };
}
