// Events on their way to Python. Streamlit keeps one trigger value a run, so a quick second key could overwrite the
// first: everything not yet acknowledged is sent again, and Python skips what it has seen.

/** `send(value)` sets the component's trigger. */
export class Outbox {
  constructor(send) {
    this.send = send;
    this.mount = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
    this.next = 1;
    this.waiting = [];
  }

  post(event) {
    this.waiting.push({ ...event, n: this.next++ });
    this.send({ mount: this.mount, list: [...this.waiting] });
  }

  /** Whether an event of one of these kinds is still on its way. */
  holds(...kinds) {
    return this.waiting.some((one) => kinds.includes(one.kind));
  }

  /** Python saw everything of this mount up to `n`. */
  acknowledge(seen) {
    if (seen && seen.mount === this.mount) this.waiting = this.waiting.filter((one) => one.n > seen.n);
  }
}
