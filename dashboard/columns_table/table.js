// The columns of a table that waits. The same function is called on the same element for every change of its data.

const tables = new WeakMap();

export default function (component) {
  const place = component.parentElement;
  let table = tables.get(place);
  if (!table) {
    table = new Columns(place, component);
    tables.set(place, table);
  }
  table.update(component);
  return () => table.leave();
}

const LEARNED = new Set(["feature", "molecule"]);
const PLAIN = new Set(["feature", "ignored"]); // roles that nobody has to look at
const OUT = new Set(["ignored", "identifier", "leak"]);
const SEARCH_FROM = 12;
const MANY = 80; // columns; above it those that a person should look at are shown first

class Columns {
  constructor(place, component) {
    this.place = place;
    this.root = node("div", "columns");
    place.appendChild(this.root);
    this.trigger = component.setTriggerValue;
    this.outbox = new Outbox((value) => this.trigger("events", value));
    this.query = "";
    this.filter = "";
    this.view = "columns";
  }

  update(component) {
    this.trigger = component.setTriggerValue;
    const { seen, ...drawn } = component.data;
    this.outbox.acknowledge(seen);
    if (this.outbox.waiting.length) return; // newer choices are on their way: what is shown stays
    const now = JSON.stringify(drawn);
    if (now === this.drawn) return;
    const other = this.data?.draft !== drawn.draft;
    this.drawn = now;
    this.data = drawn;
    if (other) {
      this.filter = drawn.columns.length > MANY && drawn.columns.some((c) => this.asks(c)) ? "asks" : "all";
      this.query = "";
    }
    this.draw(other ? 0 : this.root.querySelector(".scroll")?.scrollTop ?? 0);
    this.root.dataset.draft = drawn.draft;
  }

  /** Whether a person should look at a column: it is flagged, or it is for something special. */
  asks(column) {
    return column.flag || !PLAIN.has(column.role);
  }

  shown() {
    const asked = this.query.trim().toLowerCase();
    const kinds = { all: () => true, asks: (c) => this.asks(c), learned: (c) => LEARNED.has(c.role), out: (c) => OUT.has(c.role) };
    return this.data.columns.filter((c) => (asked ? c.name.toLowerCase().includes(asked) : kinds[this.filter](c)));
  }

  draw(scrolled) {
    const { data } = this;
    const held = this.held(); // what has the keyboard keeps it
    this.root.replaceChildren();
    this.root.style.height = data.height;
    this.root.append(this.top());
    const scroll = node("div", "scroll");
    this.root.append(scroll);
    if (this.view === "rows") scroll.append(this.rows());
    else this.list(scroll);
    scroll.scrollTop = scrolled;
    if (held) this.root.querySelector(held)?.focus({ preventScroll: true });
  }

  /** A selector of the control that has the focus, "" where none of ours has it. */
  held() {
    const active = this.root.getRootNode().activeElement;
    if (!active || !this.root.contains(active)) return "";
    const column = active.closest("[data-column]")?.dataset.column;
    const own = active.dataset.view ? `[data-view="${active.dataset.view}"]`
      : active.dataset.filter ? `[data-filter="${active.dataset.filter}"]` : `.${active.className}`;
    return column === undefined ? own : `[data-column="${CSS.escape(column)}"] ${own}`;
  }

  list(scroll) {
    const shown = this.shown();
    for (const column of shown) scroll.append(this.column(column));
    if (!shown.length) scroll.append(node("p", "none", this.data.words.none));
  }

  top() {
    const { words, columns } = this.data;
    const top = node("div", "top");
    const views = node("div", "views");
    for (const name of ["columns", "rows"]) {
      const chip = node("button", "view", words[`view_${name}`]);
      chip.type = "button";
      chip.dataset.view = name;
      chip.setAttribute("aria-pressed", String(this.view === name));
      chip.onclick = () => this.show({ view: name });
      views.append(chip);
    }
    top.append(views);
    if (this.view === "rows") return top;
    const chips = node("div", "chips");
    const count = { all: columns.length, asks: 0, learned: 0, out: 0 };
    for (const c of columns) {
      if (this.asks(c)) count.asks += 1;
      if (LEARNED.has(c.role)) count.learned += 1;
      if (OUT.has(c.role)) count.out += 1;
    }
    for (const name of ["all", "asks", "learned", "out"]) {
      const chip = node("button", "chip", `${words[`filter_${name}`]} ${count[name]}`);
      chip.type = "button";
      chip.dataset.filter = name;
      chip.setAttribute("aria-pressed", String(this.filter === name && !this.query));
      chip.onclick = () => this.show({ filter: name, query: "" });
      chips.append(chip);
    }
    top.append(chips);
    if (columns.length >= SEARCH_FROM) top.append(this.search());
    return top;
  }

  search() {
    const field = node("input", "search");
    field.type = "search";
    field.placeholder = this.data.words.search;
    field.setAttribute("aria-label", this.data.words.search);
    field.value = this.query;
    field.oninput = () => {
      this.query = field.value;
      const scroll = this.root.querySelector(".scroll");
      scroll.replaceChildren();
      this.list(scroll);
    };
    return field;
  }

  show(changes) {
    Object.assign(this, changes);
    this.draw(0);
  }

  column(column) {
    const { words, roles, kinds } = this.data;
    const row = node("div", "column");
    row.dataset.column = column.name;
    row.dataset.role = column.role;
    const name = node("div", "name");
    const title = node("b", "", column.name);
    title.title = column.name;
    if (column.flag) name.append(node("i", "flag", "!"));
    name.append(title);
    row.append(name);
    row.append(this.choice(column, "role", roles, words));
    row.append(this.choice(column, "kind", kinds, words));
    row.append(this.unit(column));
    const values = node("div", "values", column.values);
    values.title = column.values;
    if (column.missing) values.append(node("span", "missing", column.missing));
    row.append(values);
    if (column.reasons.length) row.append(node("div", "reasons", column.reasons.join(" ")));
    return row;
  }

  choice(column, field, options, words) {
    const select = node("select", field);
    select.setAttribute("aria-label", `${words[field]}: ${column.name}`);
    const option = (value) => {
      const made = node("option", "", words[`${field}_${value}`]);
      made.value = value;
      return made;
    };
    select.append(option(column[field]));
    select.value = column[field];
    // The other choices are made when somebody is about to open the list: 600 columns stay light.
    const fill = () => {
      if (select.options.length > 1) return;
      select.replaceChildren(...options.map(option));
      select.value = column[field];
    };
    for (const event of ["pointerdown", "focus", "keydown"]) select.addEventListener(event, fill);
    select.onchange = () => this.post(column, field, select.value);
    return select;
  }

  unit(column) {
    const { words } = this.data;
    const field = node("input", "unit");
    field.type = "text";
    field.maxLength = 24;
    field.value = column.kind === "number" ? column.unit : ""; // a drug's "(20 MG)" is no unit of yes and no
    field.title = field.value;
    field.placeholder = column.kind === "number" ? words.unit : "";
    field.setAttribute("aria-label", `${words.unit}: ${column.name}`);
    field.disabled = column.kind !== "number";
    field.onchange = () => this.post(column, "unit", field.value.trim());
    return field;
  }

  post(column, field, value) {
    column[field] = value;
    this.outbox.post({ kind: "column", draft: this.data.draft, column: column.name, field, value });
  }

  /** The first rows, as they were read. */
  rows() {
    const { head, preview } = this.data;
    const table = node("table");
    const line = table.createTHead().insertRow();
    for (const name of head) line.append(node("th", "", name));
    const body = table.createTBody();
    for (const texts of preview) {
      const row = body.insertRow();
      for (const text of texts) row.insertCell().textContent = text;
    }
    return table;
  }

  leave() {
    tables.delete(this.place);
    this.root.remove();
  }
}
