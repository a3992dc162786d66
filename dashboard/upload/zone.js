// How the drop zone looks. The same function is called on the same element for every change of `data`.

const MB = 1e6;
const ARROW =
  '<svg class="arrow" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" ' +
  'stroke-linejoin="round" aria-hidden="true"><path d="M12 15V4M7.5 8.5 12 4l4.5 4.5M4 15v3.5A1.5 1.5 0 0 0 5.5 20h13' +
  'a1.5 1.5 0 0 0 1.5-1.5V15"/></svg>';

export default function (component) {
  const { parentElement, data } = component;
  let zone = parentElement.__zone;
  if (!zone) {
    zone = parentElement.__zone = new Zone(parentElement);
  }
  zone.update(data, component.setTriggerValue);
  return () => zone.leave();
}

class Zone {
  constructor(parent) {
    const part = (tag, className, attributes = {}) => {
      const element = document.createElement(tag);
      element.className = className;
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      return element;
    };
    this.root = part("div", "zone", { "data-state": "idle", role: "group" });
    this.title = part("div", "title");
    this.hint = part("div", "hint");
    this.buttons = part("div", "buttons");
    this.chooseFiles = part("button", "choose", { type: "button" });
    this.chooseFolder = part("button", "choose", { type: "button" });
    this.filesInput = part("input", "hidden", { type: "file", multiple: "", tabindex: "-1", "data-role": "files" });
    this.folderInput = part("input", "hidden", {
      type: "file", multiple: "", webkitdirectory: "", tabindex: "-1", "data-role": "folder",
    });
    this.bar = part("div", "bar", { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" });
    this.fill = part("div", "fill");
    this.line = part("div", "line");
    this.text = part("span", "text", { role: "status", "aria-live": "polite" });
    this.cancel = part("button", "cancel", { type: "button" });
    this.bar.append(this.fill);
    this.buttons.append(this.chooseFiles, this.chooseFolder);
    this.line.append(this.text, this.cancel);
    this.root.innerHTML = ARROW;
    this.root.append(this.title, this.hint, this.buttons, this.filesInput, this.folderInput, this.bar, this.line);
    parent.append(this.root);
    this.listen();
  }

  listen() {
    this.chooseFiles.onclick = () => this.filesInput.click();
    this.chooseFolder.onclick = () => this.folderInput.click();
    for (const input of [this.filesInput, this.folderInput]) {
      input.onchange = () => {
        const files = [...input.files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));
        input.value = ""; // the same folder can be chosen again
        this.begin(files);
      };
    }
    this.root.ondragover = (event) => {
      event.preventDefault();
      this.root.classList.add("over");
    };
    this.root.ondragleave = (event) => {
      if (!this.root.contains(event.relatedTarget)) this.root.classList.remove("over");
    };
    this.root.ondrop = async (event) => {
      event.preventDefault();
      this.root.classList.remove("over");
      if (this.busy()) return;
      const taking = filesOfDrop(event.dataTransfer);
      this.show("counting", this.words.counting);
      try {
        this.begin(await taking);
      } catch (_) {
        this.show("refused", this.words.unreadable);
      }
    };
    this.cancel.onclick = () => this.sending?.cancel();
  }

  update(data, trigger) {
    this.data = data;
    this.words = data.words;
    this.trigger = trigger;
    this.hint.textContent = this.words.hint;
    this.chooseFiles.textContent = this.words.choose_files;
    this.chooseFolder.textContent = this.words.choose_folder;
    // The buttons are what people press; the fields behind them are named all the same.
    this.filesInput.setAttribute("aria-label", this.words.choose_files);
    this.folderInput.setAttribute("aria-label", this.words.choose_folder);
    this.chooseFolder.hidden = !data.whole_folders;
    this.cancel.textContent = this.words.cancel;
    this.root.setAttribute("aria-label", this.words.title);
    const running = sendings.get(data.project);
    if (running && running !== this.sending) this.follow(running);
    else this.draw();
  }

  busy() {
    return ["sending", "waiting", "finishing"].includes(this.sending?.state);
  }

  begin(files) {
    if (this.busy()) return;
    if (!files.length) this.show("refused", this.say({ key: "upload.empty", values: {} }));
    else this.follow(startSending(this.data.project, files));
  }

  follow(sending) {
    this.sending = sending;
    // At most one drawing a frame, however many pieces report.
    let waiting = false;
    sending.changed = () => {
      if (waiting) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        this.draw();
      }, 50);
    };
    this.draw();
  }

  draw() {
    const sending = this.sending;
    if (!sending) return this.show("idle", "");
    const { words } = this;
    if (sending.state === "arrived" && sending.result) {
      sendings.delete(sending.project);
      const result = sending.result;
      sending.result = null;
      this.trigger("arrived", result);
    }
    const count = { done: sending.whole, files: sending.files.length };
    const size = { sent: megabytes(sending.bytes), total: megabytes(sending.total) };
    const parts = [fill(words.files, count), fill(words.bytes, size), this.left(sending)].filter((part) => part);
    const texts = {
      sending: parts.join(" · "),
      waiting: fill(words.waiting, size),
      finishing: words.finishing,
      arrived: fill(words.arrived, count),
      cancelled: words.cancelled,
      refused: sending.note ? this.say(sending.note) : "",
    };
    if (["cancelled", "refused"].includes(sending.state)) sendings.delete(sending.project);
    this.show(sending.state, texts[sending.state], sending.total ? sending.bytes / sending.total : 1);
  }

  left(sending) {
    const seconds = sending.secondsLeft();
    if (seconds === null) return "";
    if (seconds < 90) return fill(this.words.left_seconds, { seconds: Math.max(1, Math.round(seconds)) });
    return fill(this.words.left_minutes, { minutes: Math.round(seconds / 60) });
  }

  show(state, text, share = 0) {
    this.root.dataset.state = state;
    this.title.textContent = this.busy() ? this.words.title_sending : this.words.title;
    this.text.textContent = text;
    const percent = Math.min(100, Math.round(share * 100));
    this.fill.style.width = `${percent}%`;
    this.bar.setAttribute("aria-valuenow", String(percent));
  }

  say(note) {
    const text = this.data.notes[note.key] ?? this.words[note.key] ?? this.words.unknown;
    return fill(text, note.values);
  }

  leave() {
    if (this.sending) this.sending.changed = () => {};
  }
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

function megabytes(bytes) {
  const value = bytes / MB;
  return value >= 10 ? String(Math.round(value)) : value.toFixed(1);
}
