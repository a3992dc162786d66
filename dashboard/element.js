// An element with a class and a text. Put before a component's own file, as outbox.js is.
function node(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
