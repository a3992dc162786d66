// What each key and button does, by name. An action that does not apply here returns false, and its key is left alone.

import { PRESETS } from "./windows.js";

export function act(viewer, name) {
  const { scene, marking, data } = viewer;
  if (name in PRESETS) return scene.kase.is_hu ? viewer.windowing.set(PRESETS[name]) : false;
  const pane = viewer.active || viewer.pane;
  const middle = [pane.view.clientWidth / 2, pane.view.clientHeight / 2];
  const acts = {
    resetWindow: () => viewer.windowing.reset(),
    invert: () => viewer.windowing.invert(),
    axial: () => viewer.setPlane("axial"),
    coronal: () => viewer.setPlane("coronal"),
    sagittal: () => viewer.setPlane("sagittal"),
    planes: () => viewer.togglePlanes(),
    resetView: () => scene.panes.forEach((one) => one.fit()),
    zoomIn: () => pane.zoomBy(1.25, middle),
    zoomOut: () => pane.zoomBy(0.8, middle),
    ruler: () => marking.toggle("ruler"),
    point: () => data.pointing !== false && marking.toggle("point"),
    region: () => data.regions !== false && marking.toggle("region"),
    overlay: () => viewer.laying.toggle(),
    help: () => viewer.help(viewer.sheet.hidden),
    escape: () => (viewer.sheet.hidden ? marking.setMode("window") : viewer.help(false)),
    delete: () => marking.remove(),
    regionFrom: () => marking.setRange("from"),
    regionTo: () => marking.setRange("to"),
  };
  return acts[name] ? acts[name]() : false;
}
