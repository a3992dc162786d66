// The voxels of a case, fetched from the page's own route in runs of slices, the wanted one first.

const RUN = 8; // slices a request; measured: fewer costs round trips, more delays the first image
const IN_FLIGHT = 3;
const KEPT_BYTES = 450e6; // volumes kept after they were left, so that going back is instant
const AIR_HU = -1024;

const kept = new Map(); // case id -> Voxels, oldest first

export class Voxels {
  constructor(kase) {
    const [slices, rows, columns] = kase.shape;
    this.id = kase.id;
    this.url = kase.voxels;
    this.slices = slices;
    this.components = kase.colour ? 3 : 1;
    this.sliceLength = rows * columns * this.components;
    const Kind = kase.colour ? Uint8Array : Int16Array;
    this.bytesPerValue = Kind.BYTES_PER_ELEMENT;
    this.values = new Kind(this.sliceLength * slices);
    if (kase.is_hu) this.values.fill(AIR_HU);
    this.arrived = new Uint8Array(slices);
    this.count = 0;
    this.low = Infinity;
    this.high = -Infinity;
    this.failed = null;
    this.listeners = new Set();
    this.stop = null;
  }

  get bytes() {
    return this.values.byteLength;
  }

  get complete() {
    return this.count === this.slices;
  }

  /** Fetches what is missing, nearest to slice `start` first. Resolves when done or stopped; may be called again. */
  async load(start) {
    this.pause();
    const stop = (this.stop = new AbortController());
    const queue = this.complete ? [] : [[start, 1], ...runsAround(start, this.slices)];
    const worker = async () => {
      while (queue.length && !stop.signal.aborted) {
        const [first, count] = queue.shift();
        if (this.has(first, count)) continue;
        await this.fetchRun(first, count, stop.signal);
      }
    };
    try {
      if (queue.length) {
        const [first, count] = queue.shift();
        if (!this.has(first, count)) await this.fetchRun(first, count, stop.signal);
      }
      await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    } catch (error) {
      if (stop.signal.aborted) return;
      this.failed = error;
      stop.abort();
      this.tell(0, 0);
    }
  }

  has(first, count) {
    for (let i = first; i < first + count; i++) if (!this.arrived[i]) return false;
    return true;
  }

  async fetchRun(first, count, signal) {
    const answer = await fetch(`${this.url}?first=${first}&count=${count}`, { signal, credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    const body = await answer.arrayBuffer();
    if (body.byteLength !== count * this.sliceLength * this.bytesPerValue) throw new Error("length");
    if (signal.aborted) return;
    const run = new this.values.constructor(body);
    this.values.set(run, first * this.sliceLength);
    this.failed = null;
    this.stretch(run);
    for (let i = first; i < first + count; i++) {
      if (!this.arrived[i]) this.count += 1;
      this.arrived[i] = 1;
    }
    this.tell(first, count);
  }

  stretch(run) {
    let { low, high } = this;
    for (let i = 0; i < run.length; i++) {
      const value = run[i];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    this.low = low;
    this.high = high;
  }

  /** Value at [column, row, slice], or null where it lies outside or has not arrived; an array for colour. */
  at(column, row, slice, columns) {
    if (!this.arrived[slice]) return null;
    const index = slice * this.sliceLength + (row * columns + column) * this.components;
    return this.components === 1 ? this.values[index] : Array.from(this.values.subarray(index, index + 3));
  }

  tell(first, count) {
    for (const listener of this.listeners) listener(first, count);
  }

  pause() {
    if (this.stop) this.stop.abort();
    this.stop = null;
  }
}

function runsAround(start, slices) {
  const runs = [];
  for (let first = 0; first < slices; first += RUN) runs.push([first, Math.min(RUN, slices - first)]);
  const distance = ([first, count]) => Math.abs(first + (count - 1) / 2 - start);
  return runs.sort((a, b) => distance(a) - distance(b));
}

/** The voxels of a case, from the kept ones if it was seen lately. */
export function voxelsOf(kase) {
  const known = kept.get(kase.id);
  if (known) {
    kept.delete(kase.id);
    kept.set(kase.id, known);
    return known;
  }
  const fresh = new Voxels(kase);
  kept.set(kase.id, fresh);
  return fresh;
}

/** Lets go of the oldest volumes beyond the budget, never of those in `inUse`; `forget(id)` frees what hangs on one. */
export function trimKept(inUse, forget) {
  let total = 0;
  for (const voxels of kept.values()) total += voxels.bytes;
  for (const [id, voxels] of [...kept]) {
    if (total <= KEPT_BYTES) break;
    if (inUse.has(id)) continue;
    voxels.pause();
    kept.delete(id);
    total -= voxels.bytes;
    forget(id);
  }
}

export const keptVoxels = (id) => kept.get(id);
export const keptIds = () => [...kept.keys()].sort();
