// What the page's loader calls: `mount(component)` -> something with update(component) and destroy().

import { Small } from "./small.js";
import { Viewer } from "./viewer.js";
import css from "./style.css";

const KINDS = { main: Viewer, small: Small };

export function mount(component) {
  const style = document.createElement("style");
  style.textContent = css;
  component.parentElement.append(style);
  const view = new KINDS[component.data.role](component);
  return {
    update: (next) => view.update(next),
    destroy: () => {
      view.destroy();
      style.remove();
    },
  };
}
