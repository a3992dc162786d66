// The ruler: Cornerstone's Length tool, switched on only while the ruler mode is, so that it never fights our gestures.

import { theEngine, tools } from "./engine.js";

const GROUP = "handful";
const { LengthTool, ToolGroupManager, annotation } = tools;
let group = null;

function theGroup() {
  if (group) return group;
  tools.addTool(LengthTool);
  group = ToolGroupManager.createToolGroup(GROUP);
  group.addTool(LengthTool.toolName, { getTextLines: lines });
  group.setToolEnabled(LengthTool.toolName);
  const styles = annotation.config.style.getDefaultToolStyles();
  annotation.config.style.setDefaultToolStyles({
    ...styles,
    global: {
      ...styles.global,
      color: "#ffd166", colorHighlighted: "#ffe3a0", colorSelected: "#ffd166", lineWidth: "1.5", lineDash: "",
      textBoxColor: "#ffd166", textBoxColorHighlighted: "#ffe3a0", textBoxColorSelected: "#ffd166",
      textBoxFontSize: "13px", textBoxFontFamily: "inherit", shadow: true,
    },
  });
  return group;
}

function lines(data, targetId) {
  const stats = data.cachedStats[targetId];
  if (!stats || !Number.isFinite(stats.length)) return undefined;
  return [`${stats.length.toFixed(1)} ${measured ? "mm" : "px"}`];
}

let measured = true;

/** Lets the ruler work on a viewport. */
export function addTo(viewport) {
  theGroup().addViewport(viewport.id, theEngine().id);
}

export function removeFrom(viewport) {
  if (group) group.removeViewports(theEngine().id, viewport.id);
}

export function setMeasured(value) {
  measured = value;
}

export function switchRuler(on) {
  const bindings = [{ mouseButton: tools.Enums.MouseBindings.Primary }];
  if (on) theGroup().setToolActive(LengthTool.toolName, { bindings });
  else theGroup().setToolEnabled(LengthTool.toolName);
}

/** Lengths measured on a case, in mm, oldest first. */
export function lengths(frame) {
  return own(frame).map((one) => Object.values(one.data.cachedStats).map((s) => s.length)[0]);
}

function own(frame) {
  return annotation.state.getAllAnnotations().filter((one) =>
    one.metadata.toolName === LengthTool.toolName && one.metadata.FrameOfReferenceUID === frame);
}

/** Takes back the last ruler of a case; false where there is none. */
export function removeLast(frame) {
  const mine = own(frame);
  if (!mine.length) return false;
  annotation.state.removeAnnotation(mine[mine.length - 1].annotationUID);
  return true;
}

