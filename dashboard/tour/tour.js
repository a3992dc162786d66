// The card and the ring of one scene. They hang on the document's body, because what is pointed at lies all over the
// page, and are taken away when the scene ends. The ring never takes a click: the page behind stays usable.
const STYLE = `
#hf-tour .ring { position: fixed; z-index: 99990; pointer-events: none; border: 2px solid #2fb5a2; border-radius: 12px;
  box-shadow: 0 0 0 6px rgba(47,181,162,.22), 0 0 0 9999px rgba(0,0,0,.38); transition: all .18s ease; }
#hf-tour .card { position: fixed; z-index: 99991; box-sizing: border-box; width: min(420px, calc(100vw - 32px)); padding: 16px 18px 12px;
  border-radius: 14px; background: #fff; color: #14202b; box-shadow: 0 12px 40px rgba(0,0,0,.42); font: 15px/1.5 system-ui, sans-serif; }
#hf-tour h2 { font-size: 18px; line-height: 1.3; margin: 0 0 6px; font-weight: 650; }
#hf-tour p { margin: 0 0 12px; }
#hf-tour .row { display: flex; gap: 8px; align-items: center; }
#hf-tour .row span { flex: 1; white-space: nowrap; font-size: 13px; color: #5a6772; }
#hf-tour button { all: unset; box-sizing: border-box; cursor: pointer; padding: 6px 12px; white-space: nowrap; border-radius: 9px; font-size: 14px; color: #14202b; }
#hf-tour button.go { background: #147468; color: #fff; font-weight: 600; }
#hf-tour button:hover { filter: brightness(.93); background-color: #eef2f2; } #hf-tour button.go:hover { background: #147468; }
#hf-tour button:focus-visible { outline: 2px solid #147468; outline-offset: 2px; }
#hf-tour.show .ring { box-shadow: 0 0 0 6px rgba(47,181,162,.3); }
#hf-tour.show .card { left: 0 !important; right: 0; top: auto !important; bottom: 0; width: 100vw; border-radius: 0; padding: 14px 28px;
  display: grid; grid-template-columns: 1fr auto; column-gap: 28px; align-items: center; min-height: 128px; background: #0b1218; color: #fff; box-shadow: none; }
#hf-tour.show h2 { font-size: 27px; margin: 0; } #hf-tour.show p { font-size: 21px; line-height: 1.35; margin: 4px 0 0; grid-column: 1; }
#hf-tour.show .row { grid-column: 2; grid-row: 1 / span 2; } #hf-tour.show .row span { color: #9fb0bb; font-size: 16px; }
#hf-tour.show button { color: #dfe8ec; } #hf-tour.show button:hover { background-color: #1d2a33; }
`;

function element(name, parent, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  parent.appendChild(made);
  return made;
}

/** The first of the targets that is on the page; brought into sight once. */
function find(root, targets) {
  for (const target of targets) {
    const seen = document.querySelector(target);
    if (!seen || seen.getBoundingClientRect().width < 4) continue;
    if (root.dataset.at !== target) {
      root.dataset.at = target;
      seen.scrollIntoView({ block: "nearest" });
    }
    return seen.getBoundingClientRect();
  }
  return null;
}

const EDGE = 6, GAP = 16, MARGIN = 12;

function place(root, targets) {
  const ring = root.querySelector(".ring"), card = root.querySelector(".card"), show = root.classList.contains("show");
  const box = find(root, targets);
  if (!box) {
    ring.style.display = "none";
    if (!show) Object.assign(card.style, { left: `${(innerWidth - card.offsetWidth) / 2}px`, top: "30vh" });
    return;
  }
  const top = Math.max(4, box.top - EDGE), bottom = Math.min(innerHeight - 4, box.bottom + EDGE);
  Object.assign(ring.style, { display: "block", left: `${box.left - EDGE}px`, top: `${top}px`, width: `${box.width + 2 * EDGE}px`, height: `${bottom - top}px` });
  if (!show) Object.assign(card.style, beside(box, top, bottom, card.offsetWidth, card.offsetHeight));
}

/** Right or left of what is pointed at, else above or below it, else over its left edge: never over its middle. */
function beside(box, top, bottom, w, h) {
  let left = box.right + GAP, at = top + 8;
  if (left + w > innerWidth - MARGIN) left = box.left - GAP - w;
  if (left < MARGIN) {
    left = box.left + 8;
    if (top - GAP - h >= MARGIN) at = top - GAP - h;
    else if (bottom + GAP + h <= innerHeight - MARGIN) at = bottom + GAP;
    else [left, at] = [MARGIN, top + 96];
  }
  at = Math.min(Math.max(MARGIN, at), innerHeight - h - MARGIN);
  return { left: `${Math.max(MARGIN, Math.min(left, innerWidth - w - MARGIN))}px`, top: `${at}px` };
}

export default function (component) {
  const { data, setTriggerValue } = component;
  document.getElementById("hf-tour")?.remove();
  const root = element("div", document.body);
  root.id = "hf-tour";
  if (data.show) root.className = "show";
  element("style", root, STYLE);
  element("div", root, "", "ring");
  const card = element("section", root, "", "card");
  card.setAttribute("role", "dialog");
  card.setAttribute("aria-label", data.title);
  element("h2", card, data.title);
  element("p", card, data.text);
  const row = element("div", card, "", "row");
  element("span", row, data.place);
  const say = (text, move, className) => {
    const b = element("button", row, text, className);
    b.type = "button";
    b.dataset.move = move;
    b.onclick = () => setTriggerValue("move", move);
    return b;
  };
  say(data.words.end, "end");
  if (data.last) say(data.words.restart, "restart");
  if (!data.first) say(data.words.back, "back");
  const next = say(data.last ? data.words.done : data.words.next, "next", "go");
  // The last scene ends where one's own begins: in the field it points at, if there is one.
  if (data.last) next.addEventListener("click", () => document.querySelector(`${data.targets[0]} input`)?.focus());
  next.focus({ preventScroll: true });
  const keys = (event) => {
    if (event.key === "Escape") setTriggerValue("move", "end");
    else if (data.show && ["ArrowRight", "PageDown"].includes(event.key)) setTriggerValue("move", "next");
    else if (data.show && ["ArrowLeft", "PageUp"].includes(event.key)) setTriggerValue("move", data.first ? "restart" : "back");
    else return;
    event.stopPropagation();
    event.preventDefault();
  };
  document.addEventListener("keydown", keys, true);
  place(root, data.targets);
  const follow = setInterval(() => place(root, data.targets), 250);
  return () => {
    clearInterval(follow);
    document.removeEventListener("keydown", keys, true);
    root.remove();
  };
}
