// A hand pulls a point of a Plotly figure up or down. Plotly itself moves shapes, not points: the press is taken
// before its zoom sees it, the point follows the hand, and where it was let go is sent once.

const NEAR = 16; // pixels
const pulls = new WeakMap();

export default function (component) {
  const place = component.parentElement;
  let pull = pulls.get(place);
  if (!pull) {
    pull = new Pull();
    pulls.set(place, pull);
  }
  pull.data = component.data;
  pull.trigger = component.setTriggerValue;
  return () => pull.leave();
}

class Pull {
  constructor() {
    this.held = null;
    this.heard = {
      pointerdown: (event) => this.take(event),
      mousedown: (event) => this.held && hush(event),
      pointermove: (event) => this.move(event),
      pointerup: () => this.drop(),
      pointercancel: () => this.drop(),
    };
    for (const [name, hear] of Object.entries(this.heard)) document.addEventListener(name, hear, true);
  }

  leave() {
    for (const [name, hear] of Object.entries(this.heard)) document.removeEventListener(name, hear, true);
  }

  /** The figure, its trace of points and their marks; null while it is not drawn. */
  figure() {
    const plot = document.querySelector(`.st-key-${this.data.figure} .js-plotly-plot`);
    const trace = plot?._fullData?.at(-1);
    const marks = plot?.querySelectorAll(".scatterlayer .trace:last-child .points path");
    return trace && marks?.length ? { plot, trace, marks } : null;
  }

  /** The point under the hand: its number, and how a height on the screen becomes a value. */
  under(event) {
    const found = this.figure();
    if (!found || !event.composedPath().includes(found.plot)) return null;
    const { xaxis, yaxis } = found.plot._fullLayout;
    const box = found.plot.getBoundingClientRect();
    const x = event.clientX - box.left - xaxis._offset;
    const y = event.clientY - box.top - yaxis._offset;
    let best = null;
    for (let i = 0; i < found.trace.x.length; i++) {
      const away = Math.hypot(xaxis.l2p(found.trace.x[i]) - x, yaxis.l2p(found.trace.y[i]) - y);
      if (away < NEAR && (!best || away < best.away)) best = { ...found, point: i, away, xaxis, yaxis, top: box.top };
    }
    return best;
  }

  take(event) {
    if (event.button) return;
    this.held = this.under(event);
    if (this.held) hush(event);
  }

  move(event) {
    if (!this.held) {
      const found = this.figure();
      const layer = found?.plot.querySelector(".nsewdrag");
      if (layer) layer.style.cursor = this.under(event) ? "ns-resize" : "";
      return;
    }
    hush(event);
    const { trace, point, marks, xaxis, yaxis, top } = this.held;
    const [low, high] = yaxis.range;
    this.held.value = Math.min(high, Math.max(low, yaxis.p2l(event.clientY - top - yaxis._offset)));
    marks[point].setAttribute("transform", `translate(${xaxis.l2p(trace.x[point])},${yaxis.l2p(this.held.value)})`);
  }

  drop() {
    const { held } = this;
    this.held = null;
    if (held && held.value !== undefined) this.trigger("pulled", { point: held.point, value: held.value });
  }
}

function hush(event) {
  event.stopImmediatePropagation();
  event.preventDefault();
}
