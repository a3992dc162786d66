// What viewers on one page tell each other: the main one its window, the small ones follow.

let last = null;
const followers = new Set();

export function announce(view) {
  if (last && JSON.stringify(last) === JSON.stringify(view)) return;
  last = view;
  for (const follow of followers) follow(view);
}

/** Calls `follow(view)` now (if anything was said yet) and at every change; returns a function that stops it. */
export function following(follow) {
  followers.add(follow);
  if (last) follow(last);
  return () => followers.delete(follow);
}
