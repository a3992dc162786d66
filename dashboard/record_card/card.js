// A record as a card. The same function is called on the same element for every change of its data.

const cards = new WeakMap();

export default function (component) {
  const place = component.parentElement;
  let card = cards.get(place);
  if (!card) {
    card = new Card(place, component);
    cards.set(place, card);
  }
  card.update(component);
  return () => card.leave();
}

const SEARCH_FROM = 18; // lines; below it everything is seen at once

class Card {
  constructor(place, component) {
    this.root = node("article", "card");
    this.root.tabIndex = -1;
    place.appendChild(this.root);
    this.trigger = component.setTriggerValue;
    this.outbox = new Outbox((value) => this.trigger("events", value));
    this.stop = listen({ root: this.root, press: (found) => this.press(found) });
    this.query = "";
    this.opened = new Set();
  }

  press(found) {
    if (found.act === "help") return this.help();
    if (found.act === "escape" && this.sheet && !this.sheet.hidden) return this.help();
    if (found.label) return this.post(found.label);
    if (found.step === 1 || found.step === -1) return this.post(found.step > 0 ? "n" : "k");
    return false;
  }

  post(key) {
    // Quick keys: a label on its way is for this row; a second one must not fall on the next.
    if (/^[0-9u]$/.test(key) && this.outbox.holds("key")) return true;
    this.outbox.post({ kind: "key", case: this.data.case, key });
    return true;
  }

  help() {
    if (!this.sheet) return false;
    this.sheet.hidden = !this.sheet.hidden;
    return true;
  }

  update(component) {
    const before = this.data;
    this.data = component.data;
    this.trigger = component.setTriggerValue;
    this.outbox.acknowledge(this.data.seen);
    const { seen, ...drawn } = this.data;
    const now = JSON.stringify(drawn);
    if (now === this.drawn) return;
    this.drawn = now;
    const body = this.root.querySelector(".body");
    const scrolled = before && before.case === this.data.case && body ? body.scrollTop : 0;
    this.draw();
    if (this.data.height) this.root.querySelector(".body").scrollTop = scrolled;
    this.root.dataset.case = this.data.case;
    this.root.dataset.ready = "true";
  }

  draw() {
    const { data } = this;
    const { words } = data;
    this.root.replaceChildren();
    this.root.hidden = !data.height; // only the keys are heard
    if (!data.height) {
      this.sheet = null;
      return;
    }
    this.root.style.height = data.height;
    const top = node("header");
    const name = node("div", "name");
    name.append(node("b", "", data.title), node("span", "", data.aside));
    top.append(name);
    const count = data.sections.reduce((sum, each) => sum + each.lines.length, 0);
    if (count >= SEARCH_FROM) top.append(this.search());
    const key = node("button", "key", "?");
    key.type = "button";
    key.title = words.keys;
    key.setAttribute("aria-label", words.keys);
    key.onclick = () => this.help();
    top.append(key);
    const body = node("div", "body");
    if (data.drawing) body.append(this.structure());
    for (const each of data.sections) body.append(this.section(each));
    this.sheet = this.keys();
    this.root.append(top, body, this.sheet);
    this.filter();
  }

  search() {
    const field = node("input", "search");
    field.type = "search";
    field.placeholder = this.data.words.search;
    field.setAttribute("aria-label", this.data.words.search);
    field.value = this.query;
    field.oninput = () => {
      this.query = field.value;
      this.filter();
    };
    return field;
  }

  /** Show only what was asked for. A search opens what is folded. */
  filter() {
    const asked = this.query.trim().toLowerCase();
    for (const section of this.root.querySelectorAll("section")) {
      let shown = 0;
      for (const line of section.querySelectorAll(".line")) {
        line.hidden = asked !== "" && !line.dataset.full.includes(asked);
        shown += line.hidden ? 0 : 1;
      }
      section.hidden = shown === 0;
      const fold = section.querySelector("details");
      if (fold) fold.open = asked !== "" || this.opened.has(fold.dataset.of);
    }
  }

  structure() {
    const figure = node("figure");
    const picture = node("div", "drawing");
    picture.innerHTML = this.data.drawing; // drawn by the engine from numbers, no foreign text
    picture.firstElementChild?.setAttribute("aria-label", this.data.smiles);
    figure.append(picture, node("figcaption", "", this.data.smiles));
    return figure;
  }

  section(each) {
    const section = node("section");
    if (each.title) section.append(node("h4", "", each.title));
    const grid = () => node("div", "grid");
    const first = grid();
    section.append(first);
    const folded = [];
    for (const line of each.lines) {
      if (each.flags && line.yes !== true) folded.push(line);
      else first.append(this.line(line, each.flags));
    }
    if (folded.length) {
      const fold = node("details");
      fold.dataset.of = each.title;
      fold.append(node("summary", "", this.data.words.not_said.replace("{count}", folded.length)));
      const rest = grid();
      for (const line of folded) rest.append(this.line(line, false));
      fold.append(rest);
      fold.ontoggle = () => (fold.open ? this.opened.add(each.title) : this.query || this.opened.delete(each.title));
      section.append(fold);
    }
    return section;
  }

  line(line, flag) {
    const row = node("div", "line");
    row.dataset.full = `${line.full} ${line.name}`.toLowerCase();
    row.title = line.full;
    const head = node("div", "head");
    head.append(node("span", "what", line.name));
    if (!flag) {
      const value = node("span", line.missing ? "value missing" : line.strip ? "value" : "value words", line.missing ? this.data.words.missing : line.text);
      if (line.unit && !line.missing) value.append(node("small", "", ` ${line.unit}`));
      head.append(value);
    }
    row.append(head);
    if (line.strip) row.append(this.strip(line.strip));
    else if (line.same) row.append(this.same(line.same));
    if (line.more) row.append(node("div", "more", line.more));
    return row;
  }

  /** Where a number lies among the labelled rows: one lane a class, so that colour is not alone in telling them. */
  strip(strip) {
    const { lanes, words } = this.data;
    const box = node("div", "strip");
    box.setAttribute("aria-hidden", "true");
    const height = Math.max(1, lanes.length);
    box.style.height = `${Math.min(18, 8 + 3 * height)}px`;
    for (const [x, lane] of strip.marks) {
      const mark = node("i");
      mark.style.left = `${100 * x}%`;
      if (lane >= 0) {
        mark.style.top = `${(100 * lane) / height}%`;
        mark.style.height = `${100 / height}%`;
        mark.style.background = lanes[lane].colour;
      }
      box.append(mark);
    }
    if (strip.at !== null) {
      const here = node("b");
      here.style.left = `${100 * strip.at}%`;
      box.append(here);
    }
    box.title = words.range.replace("{low}", strip.low).replace("{high}", strip.high);
    return box;
  }

  /** How many labelled rows of each class say the same word. */
  same(counts) {
    const { lanes, words } = this.data;
    const box = node("div", "same");
    counts.forEach(([count, of], lane) => {
      if (!of) return;
      const part = node("span", "", `${lanes[lane].shape} ${count}/${of}`);
      part.style.setProperty("--c", lanes[lane].colour);
      part.title = words.same.replace("{count}", count).replace("{of}", of).replace("{name}", lanes[lane].name);
      box.append(part);
    });
    return box;
  }

  keys() {
    const { words } = this.data;
    const sheet = node("div", "sheet");
    sheet.hidden = true;
    sheet.setAttribute("role", "note");
    for (const [key, text] of [["1 – 9", words.key_label], ["0", words.key_clear], ["U", words.key_unsure], ["Ctrl Z", words.key_undo], ["↓ J N", words.key_next], ["↑ K", words.key_previous]]) {
      const row = node("div");
      row.append(node("kbd", "", key), node("span", "", text));
      sheet.append(row);
    }
    sheet.onclick = () => this.help();
    return sheet;
  }

  leave() {
    this.stop();
    cards.delete(this.root.parentElement);
    this.root.remove();
  }
}
