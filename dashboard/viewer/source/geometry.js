// Where things are: voxel, viewer space and patient. Pure functions, no library.
//
// Patient: DICOM's LPS in mm (x to the left, y to the back, z to the head; PS3.3 C.7.6.2.1.1).
// Voxel: [column, row, slice], the order in which Cornerstone counts.
// Viewer space: mm along column, row and slice from the centre of the first voxel. Cornerstone gets its volumes in this
// space, with identity directions, so that every orthogonal view is a plane of voxels (the fast path of its CPU sampler)
// and a tilted gantry needs no special case there: the whole of the patient's orientation lives in this file.

export const AXIAL = "axial";
export const CORONAL = "coronal";
export const SAGITTAL = "sagittal";
export const PICTURE = "picture";

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

/** `raw` is the case's geometry as Python keeps it: (slice, row, column) order. `shape` is [slices, rows, columns]. */
export class Space {
  constructor(raw, shape) {
    this.origin = raw.origin_mm;
    this.measured = raw.measured !== false;
    this.size = [shape[2], shape[1], shape[0]];
    this.spacing = [raw.spacing_mm[2], raw.spacing_mm[1], raw.spacing_mm[0]];
    this.axes = [raw.axes[2], raw.axes[1], raw.axes[0]];
    this.inverse = invert(this.axes);
  }

  toPatient(point) {
    return [0, 1, 2].map(
      (i) => this.origin[i] + point[0] * this.axes[0][i] + point[1] * this.axes[1][i] + point[2] * this.axes[2][i],
    );
  }

  fromPatient(mm) {
    const d = [mm[0] - this.origin[0], mm[1] - this.origin[1], mm[2] - this.origin[2]];
    return this.inverse.map((row) => dot(row, d));
  }

  toVoxel(point) {
    return point.map((value, i) => value / this.spacing[i]);
  }

  fromVoxel(voxel) {
    return voxel.map((value, i) => value * this.spacing[i]);
  }

  clamp(voxel) {
    return voxel.map((value, i) => Math.min(this.size[i] - 1, Math.max(0, value)));
  }
}

// Rows of the inverse of the matrix whose columns are the three axes.
function invert([a, b, c]) {
  const bc = cross(b, c);
  const determinant = dot(a, bc);
  return [bc, cross(c, a), cross(a, b)].map((row) => row.map((value) => value / determinant));
}

const ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/** For each patient axis (left, back, head) the voxel axis nearest to it, and +1 or -1 for its direction. */
export function nearestAxes(space) {
  let best = null;
  for (const order of ORDERS) {
    const score = order.reduce((sum, axis, i) => sum + Math.abs(space.axes[axis][i]), 0);
    if (!best || score > best.score + 1e-9) best = { score, order };
  }
  return best.order.map((axis, i) => ({ axis, sign: space.axes[axis][i] < 0 ? -1 : 1 }));
}

/** The planes a case can be seen in. Each: name, axis it is cut along, and screen right and down in viewer space. */
export function planesOf(space, kind) {
  const unit = ({ axis, sign }, turn = 1) => [0, 1, 2].map((i) => (i === axis ? sign * turn : 0));
  if (kind !== "volume") {
    return [{ name: PICTURE, axis: 2, right: [1, 0, 0], down: [0, 1, 0] }];
  }
  const [left, back, head] = nearestAxes(space);
  return [
    { name: AXIAL, axis: head.axis, right: unit(left), down: unit(back) },
    { name: CORONAL, axis: back.axis, right: unit(left), down: unit(head, -1) },
    { name: SAGITTAL, axis: left.axis, right: unit(back), down: unit(head, -1) },
  ];
}

/** Cornerstone's words for a plane: it wants right x up as the normal. */
export function cameraOf(plane) {
  const up = plane.down.map((value) => -value + 0);
  return { viewPlaneNormal: cross(plane.right, up).map((value) => value + 0), viewUp: up };
}

/** The letter of the patient's side that a direction of viewer space points to (PS3.3 C.7.6.1.1.1: A P R L H F). */
export function letterOf(space, direction) {
  const patient = [0, 1, 2].map(
    (i) => direction[0] * space.axes[0][i] + direction[1] * space.axes[1][i] + direction[2] * space.axes[2][i],
  );
  let strongest = 0;
  for (const i of [1, 2]) if (Math.abs(patient[i]) > Math.abs(patient[strongest]) + 1e-6) strongest = i;
  return [["R", "L"], ["A", "P"], ["F", "H"]][strongest][patient[strongest] > 0 ? 1 : 0];
}

export function lettersOf(space, plane) {
  const turn = (v) => v.map((value) => -value);
  return {
    left: letterOf(space, turn(plane.right)),
    right: letterOf(space, plane.right),
    top: letterOf(space, turn(plane.down)),
    bottom: letterOf(space, plane.down),
  };
}
