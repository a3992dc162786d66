// How files get from the browser to the disk. Knows nothing of how it looks; `changed` is called when there is news.
// A sending outlives the zone that began it: it is kept by project in a table on the page.

const IN_FLIGHT = 4; // files at once; more gained nothing over a loopback
const PAUSES_S = [1, 2, 4, 8, 15]; // after a lost connection; the last one again and again
const RATE_WINDOW_MS = 8000;

const sendings = (window.__handfulSendings ??= new Map());

class Refusal extends Error {
  constructor(note) {
    super(note?.key ?? "upload.gone");
    this.note = note ?? { key: "upload.gone", values: {} };
  }
}

class Sending {
  constructor(project, files) {
    this.project = project;
    this.files = files; // [{name, file}]
    this.total = files.reduce((sum, each) => sum + each.file.size, 0);
    this.sent = new Map(); // file number -> bytes that the server or the wire has
    this.whole = 0; // files that are there
    this.state = "sending"; // sending, waiting, finishing, arrived, cancelled, refused
    this.stop = new AbortController();
    this.ticks = [];
    this.changed = () => {};
    this.result = null;
    this.note = null;
  }

  get bytes() {
    let sum = 0;
    for (const value of this.sent.values()) sum += value;
    return sum;
  }

  secondsLeft() {
    const first = this.ticks[0];
    const last = this.ticks[this.ticks.length - 1];
    if (!first || last.at - first.at < 1500 || last.bytes <= first.bytes) return null;
    return ((this.total - last.bytes) * (last.at - first.at)) / (last.bytes - first.bytes) / 1000;
  }

  async run() {
    const asks = (event) => event.preventDefault(); // "leave the page?" while bytes are on their way
    window.addEventListener("beforeunload", asks);
    try {
      const begun = await this.ask("POST", "/hf/up", {
        project: this.project,
        files: this.files.map((each) => [each.name, each.file.size]),
      }, null); // not aborted: an upload that the server has begun must be known, to be deleted
      this.id = begun.id;
      if (this.stop.signal.aborted) {
        await this.discard();
        throw new DOMException("stopped", "AbortError");
      }
      this.chunk = begun.chunk;
      for (const [number, size] of Object.entries(begun.received)) this.sent.set(Number(number), size);
      const waiting = this.files.map((_, number) => number);
      const lane = async () => {
        while (waiting.length) await this.sendFile(waiting.shift());
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
      this.say("finishing");
      const { job } = await this.ask("POST", `/hf/up/${this.id}/finish`);
      this.result = { upload: this.id, job, files: this.files.length };
      this.say("arrived");
    } catch (error) {
      if (this.stop.signal.aborted && !(error instanceof Refusal)) this.say("cancelled");
      else {
        this.note = error instanceof Refusal ? error.note : { key: "unreadable", values: {} };
        this.stop.abort();
        this.say("refused");
      }
    } finally {
      window.removeEventListener("beforeunload", asks);
    }
  }

  async sendFile(number) {
    const { file } = this.files[number];
    let offset = this.sent.get(number) ?? 0;
    while (offset < file.size) {
      const piece = file.slice(offset, offset + this.chunk);
      const answer = await this.patiently(() => this.put(number, offset, piece));
      offset = answer.received;
      this.sent.set(number, offset);
      this.tick();
    }
    this.whole += 1;
    this.tick();
  }

  // XMLHttpRequest, since fetch does not say how far an upload is.
  put(number, offset, piece) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("PUT", `/hf/up/${this.id}/${number}?offset=${offset}`);
      request.setRequestHeader("X-Handful", "1");
      request.responseType = "json";
      request.upload.onprogress = (event) => {
        this.sent.set(number, offset + event.loaded);
        this.tick();
      };
      request.onload = () => {
        // 409: the server has another offset, which is the one to go on from.
        if (request.status === 200 || (request.status === 409 && request.response)) resolve(request.response);
        else if (request.status >= 400 && request.response?.note) reject(new Refusal(request.response.note));
        else if (request.status === 403) reject(new Refusal({ key: "signed_out", values: {} }));
        else reject(new TypeError(`status ${request.status}`));
      };
      request.onerror = () => reject(new TypeError("connection lost"));
      request.onabort = () => reject(new DOMException("stopped", "AbortError"));
      const stop = () => request.abort();
      this.stop.signal.addEventListener("abort", stop);
      request.onloadend = () => this.stop.signal.removeEventListener("abort", stop);
      // A file that was changed or taken away after the drop cannot be read: found out before it is sent.
      piece.slice(0, 1).arrayBuffer().then(
        () => (this.stop.signal.aborted ? reject(new DOMException("stopped", "AbortError")) : request.send(piece)),
        () => reject(new Refusal({ key: "unreadable", values: {} })),
      );
    });
  }

  async ask(method, address, body, signal = this.stop.signal) {
    return this.patiently(async () => {
      const answer = await fetch(address, {
        method,
        headers: { "X-Handful": "1", "Content-Type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal,
      });
      if (answer.ok) return answer.json();
      if (answer.status === 403) throw new Refusal({ key: "signed_out", values: {} });
      if (answer.status >= 500) throw new TypeError(`status ${answer.status}`);
      throw new Refusal((await answer.json().catch(() => null))?.note);
    });
  }

  // A lost connection is waited out; a refusal or a cancel is not.
  async patiently(attempt) {
    for (let tried = 0; ; tried += 1) {
      try {
        const answer = await attempt();
        if (this.state === "waiting") this.say("sending");
        return answer;
      } catch (error) {
        if (this.stop.signal.aborted || !(error instanceof TypeError)) throw error;
        this.ticks = [];
        this.say("waiting");
        await this.pause(PAUSES_S[Math.min(tried, PAUSES_S.length - 1)] * 1000);
      }
    }
  }

  pause(milliseconds) {
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        reject(new DOMException("stopped", "AbortError"));
      };
      const timer = setTimeout(() => {
        this.stop.signal.removeEventListener("abort", stop);
        resolve();
      }, milliseconds);
      this.stop.signal.addEventListener("abort", stop, { once: true });
    });
  }

  async cancel() {
    this.stop.abort();
    if (this.id) await this.discard();
  }

  async discard() {
    await fetch(`/hf/up/${this.id}`, { method: "DELETE", headers: { "X-Handful": "1" } }).catch(() => {});
  }

  tick() {
    const now = performance.now();
    this.ticks.push({ at: now, bytes: this.bytes });
    while (this.ticks.length > 2 && now - this.ticks[0].at > RATE_WINDOW_MS) this.ticks.shift();
    this.changed();
  }

  say(state) {
    this.state = state;
    this.changed();
  }
}

function startSending(project, files) {
  const sending = new Sending(project, files);
  sendings.set(project, sending);
  sending.run();
  return sending;
}

// Everything in a drop, folders opened; the entries must be taken before the first wait, or the browser forgets them.
async function filesOfDrop(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry());
  const loose = [...transfer.files];
  const found = [];
  if (entries.some((entry) => entry)) {
    for (const entry of entries) if (entry) await openEntry(entry, found);
  } else for (const file of loose) found.push({ name: file.name, file });
  return found;
}

async function openEntry(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ name: entry.fullPath.replace(/^\/+/, ""), file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A folder is handed out a hundred entries at a time.
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return;
    for (const each of batch) await openEntry(each, found);
  }
}
