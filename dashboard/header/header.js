const THEME_KEY = `stActiveTheme-${location.pathname}-v2`;
const MARK = `<svg viewBox="0 0 24 24" aria-hidden="true"><g fill="var(--st-primary-color)"><circle cx="5" cy="9" r="2.4"/>
<circle cx="10" cy="5" r="2.4"/><circle cx="15.5" cy="5.4" r="2.4"/><circle cx="19.4" cy="9.6" r="2.4"/></g>
<path d="M4.5 14.5c2.8 5.6 12.4 5.6 15 0" fill="none" stroke="var(--st-primary-color)" stroke-width="2.4" stroke-linecap="round"/></svg>`;

function themeNow() {
  try { return JSON.parse(localStorage.getItem(THEME_KEY)); } catch { return null; }
}

function setTheme(name) {
  localStorage.setItem(THEME_KEY, JSON.stringify(name));
  location.reload();
}

function button(text, title, onClick) {
  const b = document.createElement("button");
  b.type = "button";
  b.textContent = text;
  // What is read aloud begins with what is seen (WCAG 2.5.3); a sign alone has only its title.
  if (title) { b.title = title; b.setAttribute("aria-label", /\p{L}/u.test(text) ? `${text}: ${title}` : title); }
  b.onclick = onClick;
  return b;
}

/** Past the bar: the keyboard goes to the columns, Tab then to the first thing in them. */
function skipTo() {
  const body = document.querySelector(".st-key-body");
  if (!body) return;
  body.tabIndex = -1;
  body.focus();
}

// Streamlit's own words about a lost connection (1.67's bundle) ask for the internet, which nobody needs here, in English.
const LOST = "server is not responding";
let watching = null;

/** When the connection is lost, the dialog that says so says what is kept and what to do, in the page's language. */
function sayLost(words) {
  watching?.disconnect();
  watching = new MutationObserver(() => {
    for (const dialog of document.querySelectorAll("[data-testid=stDialog]")) {
      const said = [...dialog.querySelectorAll("div")].find((e) => !e.children.length && e.textContent.includes(LOST));
      if (!said) continue;
      dialog.querySelector("h2").textContent = words.lost;
      said.textContent = words.lost_text;
    }
  });
  watching.observe(document.body, { childList: true });
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  // Reading rooms are dark: the first visit starts so, and a person's own choice is kept afterwards.
  if (themeNow() === null) { setTheme("Dark"); return; }
  // A screen reader takes its voice from it; Streamlit's own page says "en" whatever stands on it.
  document.documentElement.lang = data.language === "zh" ? "zh-CN" : "en";
  // Streamlit's own "Skip to main content" is English on every page and skips nothing of this bar; ours below does. Its
  // <main> never scrolls here and would be a stop of the Tab key at which nothing is seen.
  document.querySelector("[data-testid=stSkipToContent]")?.remove();
  document.getElementById("stMain")?.setAttribute("tabindex", "-1");
  let bar = parentElement.querySelector(".bar");
  if (!bar) {
    bar = document.createElement("div");
    bar.className = "bar";
    parentElement.appendChild(bar);
  }
  const active = bar.getRootNode().activeElement; // drawn anew, the bar gives the keyboard back to the same button
  const held = active && bar.contains(active) ? active.dataset.step || active.dataset.testid : "";
  bar.replaceChildren();
  const { words } = data;
  sayLost(words);
  const skip = button(words.skip, "", () => skipTo());
  skip.className = "skip";
  bar.appendChild(skip);
  const brand = document.createElement("div");
  brand.className = "brand";
  brand.innerHTML = `${MARK}<span>Hand<em>ful</em></span>`;
  bar.appendChild(brand);
  if (data.current !== "lessons") {  // a lesson has its own
    const title = document.createElement("h1");
    title.className = "heard";
    title.textContent = `${data.title} · ${data.project}`;
    bar.appendChild(title);
  }
  const nav = document.createElement("nav");
  nav.setAttribute("aria-label", words.steps);
  data.steps.forEach((step, i) => {
    const b = button("", step.hint || "", () => setTriggerValue("go", step.id));
    b.innerHTML = `<span class="n">${i + 1}</span>`;
    const label = document.createElement("span");
    label.className = "t";
    label.textContent = step.label;
    b.appendChild(label);
    b.dataset.step = step.id;
    if (!step.hint) b.setAttribute("aria-label", step.label);
    if (step.id === data.current) b.setAttribute("aria-current", "step");
    if (!step.enabled) b.disabled = true;
    nav.appendChild(b);
  });
  bar.appendChild(nav);
  const space = document.createElement("div");
  space.className = "space";
  bar.appendChild(space);
  const tour = button(words.tour, words.tour_hint, () => setTriggerValue("go", "tour"));
  tour.dataset.step = "tour";
  bar.appendChild(tour);
  const lessons = button(words.lessons, words.lessons_hint, () => setTriggerValue("go", "lessons"));
  lessons.dataset.step = "lessons";
  if (data.current === "lessons") lessons.setAttribute("aria-current", "step");
  bar.appendChild(lessons);
  const project = button(data.project, words.projects_hint, () => setTriggerValue("go", "projects"));
  project.classList.add("project");
  project.dataset.step = "projects";
  if (data.current === "projects") project.setAttribute("aria-current", "step");
  bar.appendChild(project);
  const other = data.language === "zh" ? "en" : "zh";
  const language = button(data.language === "zh" ? "EN / 中文" : "EN / 中文", words.language_hint, () => {
    document.cookie = `handful_language=${other}; path=/; max-age=31536000; SameSite=Strict`;
    setTriggerValue("language", other);
  });
  language.classList.add("quiet");
  language.dataset.testid = "language";
  bar.appendChild(language);
  const dark = themeNow() !== "Light";
  const theme = button(dark ? "☾" : "☀", dark ? words.to_light : words.to_dark, () => setTheme(dark ? "Light" : "Dark"));
  theme.classList.add("quiet");
  theme.dataset.testid = "theme";
  bar.appendChild(theme);
  if (held) [...bar.querySelectorAll("button")].find((b) => (b.dataset.step || b.dataset.testid) === held)?.focus();
}
