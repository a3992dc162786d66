function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function row(item, selected, stop, pick) {
  const b = element("button", "item");
  b.type = "button";
  b.tabIndex = item.id === stop ? 0 : -1; // one stop for Tab, arrows inside: 300 rows must not stand in the way
  b.dataset.case = item.id;
  b.setAttribute("role", "option");
  b.setAttribute("aria-selected", String(item.id === selected));
  if (item.thumb) {
    const img = element("img");
    if (item.thumb.includes("/structure?")) img.className = "drawn";
    img.src = item.thumb; img.alt = ""; img.loading = "lazy";
    b.appendChild(img);
  } else b.classList.add("bare");
  const text = element("div");
  text.appendChild(element("div", "name", item.title));
  text.appendChild(element("div", "detail", item.detail));
  b.appendChild(text);
  if (item.tag) {
    const tag = element("span", "tag");
    tag.appendChild(element("span", "said", (item.tag.shape ? item.tag.shape + " " : "") + item.tag.text));
    if (item.tag.score) tag.appendChild(element("span", "score", item.tag.score)); // a long name is cut, its score never
    if (item.tag.colour) tag.style.setProperty("--c", item.tag.colour);
    tag.title = [item.tag.text, item.tag.score].filter(Boolean).join(" ");
    b.appendChild(tag);
  }
  b.onclick = () => pick(item.id);
  return b;
}

function chips(data, state, redraw) {
  const box = element("div", "chips");
  for (const f of data.filters) {
    const chip = element("button", "", f.text);
    chip.type = "button";
    chip.dataset.filter = f.id;
    chip.setAttribute("aria-pressed", String(state.filter === f.id));
    if (f.colour) chip.style.setProperty("--c", f.colour);
    chip.onclick = () => { state.filter = f.id; redraw(); };
    box.appendChild(chip);
  }
  return box;
}

const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -Infinity, End: Infinity };

/** Scrolls the list alone: scrollIntoView would move the page too, where it scrolls (a telephone). */
function intoSight(row, scroll) {
  const [at, room] = [row.getBoundingClientRect(), scroll.getBoundingClientRect()];
  scroll.scrollTop += Math.min(0, at.top - room.top) + Math.max(0, at.bottom - room.bottom);
}

function walk(event, scroll) {
  if (!(event.key in MOVES) || event.ctrlKey || event.metaKey || event.altKey) return;
  const rows = [...scroll.querySelectorAll(".item")];
  const at = rows.indexOf(event.target.closest(".item"));
  if (at < 0) return;
  event.preventDefault();
  event.stopPropagation();
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + MOVES[event.key]))];
  rows[at].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

/** What of the list has the keyboard: drawing anew must give it back. */
function held(list) {
  const active = list.getRootNode().activeElement;
  return active && list.contains(active) ? { ...active.dataset } : null;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let list = parentElement.querySelector(".list");
  if (!list) {
    list = element("div", "list");
    list.state = { filter: "all" };
    parentElement.appendChild(list);
  }
  const state = list.state;
  if (!data.filters.some((f) => f.id === state.filter)) state.filter = "all";
  const draw = () => {
    const scrolled = list.querySelector(".scroll")?.scrollTop ?? 0;
    const before = held(list);
    list.replaceChildren();
    const top = element("div", "top");
    top.appendChild(element("b", "", data.title));
    top.appendChild(element("span", "", data.aside));
    list.appendChild(top);
    if (data.progress !== null) {
      const meter = element("div", "meter");
      const fill = element("i");
      fill.style.width = `${Math.round(100 * data.progress)}%`;
      meter.appendChild(fill);
      list.appendChild(meter);
    }
    if (data.filters.length > 1) list.appendChild(chips(data, state, draw));
    const scroll = element("div", "scroll");
    const shown = data.items.filter((i) => state.filter === "all" || i.filter === state.filter);
    if (shown.length) {
      scroll.setAttribute("role", "listbox");
      scroll.setAttribute("aria-label", data.title);
    }
    scroll.onkeydown = (event) => walk(event, scroll);
    const stop = shown.some((i) => i.id === data.selected) ? data.selected : shown[0]?.id;
    for (const item of shown) scroll.appendChild(row(item, data.selected, stop, (id) => setTriggerValue("pick", id)));
    if (!shown.length) scroll.appendChild(element("div", "empty", data.empty));
    list.appendChild(scroll);
    scroll.scrollTop = scrolled;
    const chosen = scroll.querySelector('[aria-selected="true"]');
    if (chosen && state.shown !== data.selected) intoSight(chosen, scroll);
    if (before) {
      const same = before.filter ? list.querySelector(`[data-filter="${CSS.escape(before.filter)}"]`)
        : state.shown === data.selected && scroll.querySelector(`[data-case="${CSS.escape(before.case)}"]`);
      (same || scroll.querySelector(".item[tabindex='0']"))?.focus({ preventScroll: Boolean(same) });
    }
    state.shown = data.selected;
  };
  draw();
}
