// Small helpers to build HTML and SVG without innerHTML: texts of a case are never parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

export const html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Writes a text only where it differs: layout work a frame saved. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Fills the places of a text: say("slice {n} / {of}", {n: 3, of: 9}). */
export const say = (text, values) =>
  (text || "").replace(/\{(\w+)\}/g, (whole, name) => (values && name in values ? String(values[name]) : whole));
