// The mouse (and pen) on a pane. Left drag: window, or what the mode says; right drag or ctrl: zoom; middle or shift:
// pan; wheel: slices, with ctrl zoom. The ruler's presses are left to Cornerstone's tool.

const CLICK_PIXELS = 4; // a press that moves less is a click
const WHEEL_STEP = 60; // pixels of wheel a slice: one notch of a mouse is about 100, a trackpad sends many small ones
const WINDOW_PER_PIXEL = 1 / 300; // of the window's width, so that narrow windows move finely

/** `viewer` offers: marking, windowing, scene, step, pressed, hover, focus, single. */
export function hear(pane, viewer) {
  const view = pane.view;
  let wheel = 0;
  let drag = null;
  const at = (event) => {
    const box = view.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const down = (event) => {
    viewer.focus(pane);
    if (!pane.volumeId) return;
    const kind = kindOf(event, viewer.marking.mode);
    if (kind === "ruler") return;
    event.preventDefault();
    view.setPointerCapture(event.pointerId);
    drag = { kind, from: at(event), last: at(event), moved: false, window: viewer.scene.window };
  };

  const move = (event) => {
    const here = at(event);
    if (!drag) return viewer.hover(pane, here);
    const [dx, dy] = [here[0] - drag.last[0], here[1] - drag.last[1]];
    drag.last = here;
    drag.moved = drag.moved || Math.hypot(here[0] - drag.from[0], here[1] - drag.from[1]) > CLICK_PIXELS;
    if (!drag.moved) return undefined;
    if (drag.kind === "pan") pane.panBy(dx, dy);
    else if (drag.kind === "zoom") pane.zoomBy(Math.exp(-dy / 200), drag.from);
    else if (drag.kind === "window") {
      const [width, level] = viewer.scene.window;
      const speed = Math.max(width * WINDOW_PER_PIXEL, 0.5);
      viewer.windowing.set([Math.max(1, width + dx * speed), level + dy * speed]);
    } else viewer.marking.draft(pane, drag.kind, drag.from, here);
    return undefined;
  };

  const up = (event) => {
    if (!drag) return;
    const { kind, from, moved } = drag;
    drag = null;
    viewer.marking.draft(null);
    if (kind === "point") moved ? viewer.marking.box(pane, from, at(event)) : viewer.marking.point(pane, from);
    else if (kind === "region" && moved) viewer.marking.region(pane, from, at(event));
    else if (kind === "window" && !moved) viewer.pressed(pane, from);
  };

  view.addEventListener("pointerdown", down);
  view.addEventListener("pointermove", move);
  view.addEventListener("pointerup", up);
  view.addEventListener("pointercancel", () => {
    drag = null;
    viewer.marking.draft(null);
  });
  view.addEventListener("pointerleave", () => drag || viewer.hover(null));
  view.addEventListener("contextmenu", (event) => event.preventDefault());
  view.addEventListener("dblclick", () => viewer.marking.mode === "window" && viewer.single(pane));
  view.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (!pane.volumeId) return;
    const pixels = event.deltaMode === 0 ? event.deltaY : event.deltaY * 33;
    if (event.ctrlKey || event.metaKey) return void pane.zoomBy(Math.exp(-pixels / 400), at(event));
    viewer.focus(pane);
    if (Math.sign(pixels) !== Math.sign(wheel)) wheel = 0;
    wheel += pixels;
    const steps = Math.trunc(wheel / WHEEL_STEP);
    if (steps) {
      // A notch of a mouse wheel is one slice, however far its system says it turned.
      wheel = Math.abs(pixels) >= WHEEL_STEP ? 0 : wheel - steps * WHEEL_STEP;
      viewer.step(Math.abs(pixels) >= WHEEL_STEP ? Math.sign(steps) : steps, pane);
    }
    viewer.hover(pane, at(event));
  }, { passive: false });
}

function kindOf(event, mode) {
  if (event.button === 1 || event.shiftKey) return "pan";
  if (event.button === 2 || event.ctrlKey || event.metaKey) return "zoom";
  return mode;
}
