// Window presets, in HU: [width, level]. Numbers from the usual radiology tables (Radiopaedia, "Windowing (CT)").
export const PRESETS = {
  lung: [1500, -600],
  soft: [400, 50],
  bone: [1800, 400],
  brain: [80, 40],
};

export const rangeOf = ([width, level]) => ({ lower: level - width / 2, upper: level + width / 2 });
export const windowOf = ({ lower, upper }) => [upper - lower, (upper + lower) / 2];

/** The name of a preset that a window equals, or "". */
export function presetName([width, level]) {
  const found = Object.entries(PRESETS).find(([, p]) => Math.abs(p[0] - width) < 0.5 && Math.abs(p[1] - level) < 0.5);
  return found ? found[0] : "";
}

/** What a case opens with: its own first window, else soft tissue for HU, else the spread of the values seen so far. */
export function openingWindow(kase, low, high) {
  if (kase.windows && kase.windows.length) {
    const [level, width] = kase.windows[0];
    if (width > 0) return [width, level];
  }
  if (kase.is_hu) return PRESETS.soft;
  if (!(low <= high)) return [255, 127.5]; // nothing has arrived yet
  return [Math.max(1, high - low), (high + low) / 2];
}
