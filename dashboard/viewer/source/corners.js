// What stands in the corners of a pane: case and slice, window and value, loading and position.

import { html, say, write } from "./dom.js";
import { presetName } from "./windows.js";

const signed = (text) => String(text).replace("-", "−");

/** Writes a pane's corners from the viewer's state; called at every frame, touches only texts that differ. */
export function writeCorners(viewer, pane) {
  if (!pane.plane) return;
  const main = pane === viewer.pane;
  const lines = {
    tl: topLeft(viewer, pane, main),
    tr: topRight(viewer, pane, main),
    bl: bottomLeft(viewer, pane, main),
  };
  for (const [name, texts] of Object.entries(lines)) {
    const node = pane.corners[name];
    while (node.childElementCount < texts.length) node.append(html("div", {}));
    texts.forEach((text, i) => write(node.children[i], text));
  }
  pane.corners.bl.classList.toggle("failed", Boolean(main && viewer.voxels.failed));
}

function topLeft({ words, scene, data }, pane, main) {
  const plane = words[pane.plane.name] || "";
  return [
    main ? [scene.kase.title, scene.letters ? plane : ""].filter(Boolean).join(" · ") : plane,
    pane.slices > 1 ? say(words.slice_of, { n: pane.slice + 1, of: pane.slices }) : "",
    (main && data.note) || "",
  ];
}

function topRight(viewer, pane, main) {
  const { words, scene, laying } = viewer;
  const overlay = laying.shown;
  return [
    main && !scene.kase.colour ? windowText(words, scene) : "",
    valueUnder(viewer, pane),
    main && overlay && overlay.on ? say(words.overlay_at, { percent: Math.round(overlay.opacity * 100) }) : "",
    main && laying.failed ? words.overlay_failed : "",
  ];
}

function windowText(words, { window, invert }) {
  const [width, level] = window.map((value) => signed(Math.round(value)));
  const preset = presetName(window);
  return `${preset ? `${words[preset]} ` : ""}W ${width} L ${level}${invert ? ` · ${words.inverted}` : ""}`;
}

function bottomLeft(viewer, pane, main) {
  const { words, voxels, scene } = viewer;
  let loading = "";
  if (voxels.failed) loading = words.load_failed;
  else if (!voxels.complete) loading = say(words.loading, { n: voxels.count, of: voxels.slices });
  return [
    main ? loading : "",
    positionUnder(viewer, pane),
    Math.abs(pane.zoom - 1) > 0.01 ? `× ${pane.zoom.toFixed(1)}` : "",
    main && scene.kase.synthetic ? words.synthetic : "",
  ];
}

/** The voxel's own value under the cursor: HU, grey or RGB. */
function valueUnder({ hovered, scene, voxels, words }, pane) {
  if (!hovered || hovered.pane !== pane || !pane.viewport) return "";
  const { space, kase } = scene;
  const voxel = space.toVoxel(pane.toPoint(hovered.at)).map(Math.round);
  if (voxel.some((at, i) => at < 0 || at >= space.size[i])) return "";
  const value = voxels.at(voxel[0], voxel[1], voxel[2], space.size[0]);
  if (value === null) return "";
  if (Array.isArray(value)) return `RGB ${value.join(" ")}`;
  return say(kase.is_hu ? words.hu_at : words.value_at, { value: signed(value) });
}

/** Where the cursor is in the patient: mm to the left or right, front or back, foot or head of the scanner's origin. */
function positionUnder({ hovered, scene }, pane) {
  if (!hovered || hovered.pane !== pane || !scene.letters) return "";
  const mm = scene.space.toPatient(pane.toPoint(hovered.at));
  return ["RL", "AP", "FH"].map((pair, i) => `${pair[mm[i] < 0 ? 0 : 1]} ${Math.abs(mm[i]).toFixed(0)}`).join("  ");
}
