// What is drawn over the image: places, the region, where the other planes cut, the gesture under way, the scale.

import { svg } from "./dom.js";

const POINT_MM = 12; // diameter of the ring around a bare point: a typical nodule
const BAR_PIXELS = 110; // the scale bar is the longest round length below this

/** Redraws the SVG layer of a pane. Cheap enough for every frame: a handful of nodes. */
export function drawMarks(pane) {
  const { scene } = pane;
  const nodes = [];
  if (scene.panes.length > 1) nodes.push(...cuts(pane));
  if (scene.region) nodes.push(...place(pane, { ...scene.region, role: "region" }));
  if (scene.drawPlaces) for (const one of scene.places) nodes.push(...place(pane, one));
  if (scene.draft && scene.draft.pane === pane) nodes.push(...draft(pane, scene.draft));
  nodes.push(scaleBar(pane));
  pane.drawn.replaceChildren(...nodes);
}

function cuts(pane) {
  const lines = [];
  for (const other of pane.scene.panes) {
    if (other === pane || !other.plane || other.axis === pane.axis) continue;
    const { space } = pane.scene;
    const along = [0, 1, 2].find((i) => i !== other.axis && i !== pane.axis);
    const ends = [-0.5, space.size[along] - 0.5].map((value) => {
      const voxel = [...pane.scene.point];
      voxel[along] = value;
      return pane.toCanvas(space.fromVoxel(voxel));
    });
    lines.push(svg("line", {
      class: `cut ${other.plane.name}`, x1: ends[0][0], y1: ends[0][1], x2: ends[1][0], y2: ends[1][1],
    }));
  }
  return lines;
}

/** Half extents of a place along [column, row, slice], in mm. */
export function halfSize(one) {
  if (!one.size_mm) return [POINT_MM / 2, POINT_MM / 2, POINT_MM / 2];
  return [one.size_mm[2] / 2, one.size_mm[1] / 2, one.size_mm[0] / 2];
}

function place(pane, one) {
  const { space } = pane.scene;
  const centre = space.fromPatient(one.centre_mm);
  const half = halfSize(one);
  const off = Math.abs(centre[pane.axis] - pane.slice * space.spacing[pane.axis]);
  const reach = half[pane.axis];
  if (off > Math.max(reach, space.spacing[pane.axis] / 2)) return [];
  const round = one.shape !== "box";
  // A sphere's circle shrinks away from its middle; a box keeps its outline.
  const shrink = round ? Math.sqrt(Math.max(0.08, 1 - (off / Math.max(reach, 1e-6)) ** 2)) : 1;
  const [x, y] = pane.toCanvas(centre);
  const [rx, ry] = [pane.plane.right, pane.plane.down].map((direction) => {
    const axis = direction.findIndex((v) => v !== 0);
    return Math.max(half[axis] * shrink * pane.pixelsPerMm, 5);
  });
  const style = one.colour ? `--mark:${one.colour}` : null;
  const kind = `place ${one.role || ""} ${one.by || "person"}`;
  const outline = round
    ? svg("ellipse", { cx: x, cy: y, rx, ry })
    : svg("rect", { x: x - rx, y: y - ry, width: 2 * rx, height: 2 * ry, rx: 3 });
  const group = svg("g", { class: kind, style }, outline);
  const text = [one.label, one.score !== null && one.score !== undefined ? one.score.toFixed(2) : ""].filter(Boolean);
  if (text.length) group.append(svg("text", { x: x + rx + 5, y: y - ry + 4 }, text.join(" · ")));
  return [group];
}

function draft(pane, { from, to, shape }) {
  const [x1, y1] = from;
  const [x2, y2] = to;
  if (shape === "sphere") {
    return [svg("circle", { class: "draft", cx: x1, cy: y1, r: Math.hypot(x2 - x1, y2 - y1) })];
  }
  return [svg("rect", {
    class: "draft", x: Math.min(x1, x2), y: Math.min(y1, y2), width: Math.abs(x2 - x1), height: Math.abs(y2 - y1),
  })];
}

/** The round length (1, 2 or 5 times a power of ten) whose bar is at most BAR_PIXELS long. */
export function roundLength(pixelsPerMm) {
  const most = BAR_PIXELS / pixelsPerMm;
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map((n) => n * power).find((length) => length <= most) || power;
}

function scaleBar(pane) {
  const length = roundLength(pane.pixelsPerMm);
  const width = length * pane.pixelsPerMm;
  const right = pane.width - 14;
  const bottom = pane.height - 16;
  const path = `M${right - width} ${bottom - 4}v8M${right} ${bottom - 4}v8M${right - width} ${bottom}h${width}`;
  const unit = pane.scene.space.measured ? "mm" : "px";
  return svg("g", { class: "scale" },
    svg("text", { x: right - width - 8, y: bottom + 4, "text-anchor": "end" }, `${Number(length.toPrecision(3))} ${unit}`),
    svg("path", { d: path }));
}
