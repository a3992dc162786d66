// The card and the ring of one scene. They hang on the document's body, because what is pointed at lies all over the
// page, and are taken away when the scene ends. The ring never takes a click: the page behind stays usable.
const STYLE = `
#hf-tour .ring { position: fixed; z-index: 99990; pointer-events: none; border: 2px solid #2fb5a2; border-radius: 12px;
  box-shadow: 0 0 0 6px rgba(47,181,162,.22), 0 0 0 9999px rgba(0,0,0,.38); transition: all .18s ease; }
#hf-tour .card { position: fixed; z-index: 99991; box-sizing: border-box; width: min(400px, calc(100vw - 32px)); padding: 16px 18px 12px;
  border-radius: 14px; background: #fff; color: #14202b; box-shadow: 0 12px 40px rgba(0,0,0,.42); font: 15px/1.5 system-ui, sans-serif; }
#hf-tour h2 { font-size: 18px; line-height: 1.3; margin: 0 0 6px; font-weight: 650; }
#hf-tour p { margin: 0 0 12px; }
#hf-tour .row { display: flex; gap: 8px; align-items: center; }
#hf-tour .row span { flex: 1; font-size: 13px; color: #5a6772; }
#hf-tour button { all: unset; box-sizing: border-box; cursor: pointer; padding: 6px 14px; border-radius: 9px; font-size: 14px; color: #14202b; }
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

function place(root, target) {
  const ring = root.querySelector(".ring"), card = root.querySelector(".card");
  const seen = target && document.querySelector(target);
  const box = seen && seen.getBoundingClientRect();
  if (!box || box.width < 4) {
    ring.style.display = "none";
    if (!root.classList.contains("show")) Object.assign(card.style, { left: `${(innerWidth - card.offsetWidth) / 2}px`, top: "30vh" });
    return;
  }
  const edge = 6, top = Math.max(4, box.top - edge), bottom = Math.min(innerHeight - 4, box.bottom + edge);
  Object.assign(ring.style, { display: "block", left: `${box.left - edge}px`, top: `${top}px`, width: `${box.width + 2 * edge}px`, height: `${bottom - top}px` });
  if (root.classList.contains("show")) return;
  const gap = 16, w = card.offsetWidth, h = card.offsetHeight;
  let left = box.right + gap;
  if (left + w > innerWidth - 12) left = box.left - gap - w;
  let at = top + 8;
  if (left < 12) {  // no room beside it: below it, or over it where it fills the page
    left = Math.min(innerWidth - w - 12, Math.max(12, box.left + box.width / 2 - w / 2));
    if (bottom + gap + h < innerHeight) at = bottom + gap;
  }
  at = Math.min(Math.max(12, at), innerHeight - h - 12);
  Object.assign(card.style, { left: `${left}px`, top: `${at}px` });
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
  place(root, data.target);
  const follow = setInterval(() => place(root, data.target), 250);
  return () => {
    clearInterval(follow);
    document.removeEventListener("keydown", keys, true);
    root.remove();
  };
}
