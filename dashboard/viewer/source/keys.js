// The keyboard. One listener on the document, so that nobody has to press on the image first; the main viewer that was
// mounted last hears it, and only while no text is being written and no dialog is open.

const LABELLING = /^[0-9uUnNjJkK]$/;
const WRITES = "input:not([type=range]):not([type=checkbox]):not([type=radio]):not([type=button]), textarea, select, [contenteditable=''], [contenteditable=true]";
const MOVES = "[role=slider], [role=listbox], [role=option], [role=combobox], [role=radiogroup], [role=radio], [role=menu], [role=menuitem], [role=tab], [role=grid], [role=spinbutton], input";

const ACTIONS = {
  l: "lung", s: "soft", b: "bone", h: "brain", w: "resetWindow", i: "invert",
  a: "axial", f: "coronal", t: "sagittal", m: "planes", v: "resetView",
  d: "ruler", o: "overlay", p: "point", g: "region", "?": "help",
  Escape: "escape", Delete: "delete", Backspace: "delete", "[": "regionFrom", "]": "regionTo",
  "+": "zoomIn", "=": "zoomIn", "-": "zoomOut",
};
const STEPS = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

const listeners = []; // main viewers, the last one hears

/** What a key means: {step}, {act}, {label} or null. `event` needs key, ctrlKey, metaKey, altKey, repeat. */
export function meaning(event) {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "z" && !event.shiftKey) {
    return { label: "ctrl+z" };
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.key in STEPS) return { step: STEPS[event.key] };
  if (LABELLING.test(event.key)) return event.repeat ? null : { label: event.key.toLowerCase() };
  const act = ACTIONS[event.key] || ACTIONS[event.key.toLowerCase()];
  return act && !event.repeat ? { act } : null;
}

function isBusy(event, found, own) {
  const target = event.composedPath()[0];
  if (!(target instanceof Element)) return false;
  if (target.closest(WRITES)) return true;
  if (document.querySelector("[role=dialog]")) return true;
  return "step" in found && !own.contains(target) && Boolean(target.closest(MOVES));
}

function onKey(event) {
  const listener = listeners[listeners.length - 1];
  if (!listener || event.defaultPrevented) return;
  const found = meaning(event);
  if (!found || isBusy(event, found, listener.root)) return;
  if (listener.press(found)) {
    event.preventDefault();
    event.stopPropagation();
  }
}

/** `listener`: {root, press(meaning) -> handled}. Returns a function that stops listening. */
export function listen(listener) {
  if (!listeners.length) document.addEventListener("keydown", onKey, true);
  listeners.push(listener);
  return () => {
    const at = listeners.indexOf(listener);
    if (at >= 0) listeners.splice(at, 1);
    if (!listeners.length) document.removeEventListener("keydown", onKey, true);
  };
}
