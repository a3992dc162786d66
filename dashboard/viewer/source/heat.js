// How an overlay's values 0..255 look: nothing at zero, inferno's colours above, stronger where the value is.

// Inferno's anchor colours (matplotlib, CC0): equal steps look equal, and a grey print still orders them.
export const INFERNO = [
  [0.0, 0.0, 0.014], [0.087, 0.045, 0.225], [0.258, 0.039, 0.406], [0.416, 0.09, 0.433], [0.578, 0.148, 0.404],
  [0.736, 0.216, 0.33], [0.865, 0.317, 0.226], [0.955, 0.452, 0.105], [0.988, 0.645, 0.04], [0.964, 0.844, 0.273],
  [0.988, 0.998, 0.645],
];

/** Strength by value, both 0..1: faint values do not veil the picture. */
export const RAMP = [[0, 0], [0.08, 0], [0.3, 0.45], [0.6, 0.85], [1, 1]];

const between = (stops, at) => {
  const next = stops.findIndex(([value]) => value >= at);
  if (next <= 0) return stops[0][1];
  const [[x0, y0], [x1, y1]] = [stops[next - 1], stops[next]];
  return y0 + ((at - x0) / (x1 - x0)) * (y1 - y0);
};

/** 256 colours as the bytes R, G, B, A in one little-endian number each. */
export function heatTable() {
  const table = new Uint32Array(256);
  for (let value = 0; value < 256; value++) {
    const at = (value / 255) * (INFERNO.length - 1);
    const low = Math.min(INFERNO.length - 2, Math.floor(at));
    const [r, g, b] = [0, 1, 2].map((i) =>
      Math.round(255 * (INFERNO[low][i] + (at - low) * (INFERNO[low + 1][i] - INFERNO[low][i]))));
    const alpha = Math.round(255 * between(RAMP, value / 255));
    table[value] = ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  return table;
}
