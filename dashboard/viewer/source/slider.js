// The slice slider with its marks: labelled slices, the overlay's strongest, places found or pointed at.

import { html } from "./dom.js";

export class Slider {
  /** `move(slice)` is called while the thumb is dragged and when a mark is pressed. */
  constructor(move) {
    this.move = move;
    this.thumb = html("div", { class: "thumb" });
    this.marks = html("div", { class: "marks" });
    this.track = html("div", { class: "track" }, this.marks, this.thumb);
    this.root = html("div", { class: "slider", role: "slider", tabindex: "0" }, this.track);
    this.count = 1;
    this.root.addEventListener("pointerdown", (event) => this.press(event));
    this.root.addEventListener("pointermove", (event) => {
      if (this.root.hasPointerCapture(event.pointerId)) this.to(event.clientX);
    });
  }

  press(event) {
    const mark = event.target.closest(".mark");
    event.preventDefault();
    if (mark) return this.move(Number(mark.dataset.slice));
    this.root.setPointerCapture(event.pointerId);
    this.to(event.clientX);
  }

  to(x) {
    const box = this.track.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (x - box.left) / Math.max(1, box.width)));
    this.move(Math.round(part * (this.count - 1)));
  }

  share(slice) {
    return this.count > 1 ? (100 * slice) / (this.count - 1) : 50;
  }

  show(slice, count, text) {
    this.count = count;
    this.thumb.style.left = `${this.share(slice)}%`;
    this.root.hidden = count < 2;
    this.root.setAttribute("aria-valuemin", "1");
    this.root.setAttribute("aria-valuemax", String(count));
    this.root.setAttribute("aria-valuenow", String(slice + 1));
    this.root.setAttribute("aria-valuetext", text);
  }

  /** `marks`: [{slice, kind, colour, title}]; kind is "label", "overlay", "place" or "found". */
  mark(marks, count) {
    this.count = count;
    this.marks.replaceChildren(...marks.filter((m) => m.slice >= 0 && m.slice < count).map((m) =>
      html("div", {
        class: `mark ${m.kind}`,
        title: m.title,
        "data-slice": String(m.slice),
        style: `left:${this.share(m.slice)}%${m.colour ? `;--mark:${m.colour}` : ""}`,
      })));
  }
}

