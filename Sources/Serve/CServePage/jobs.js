// The jobs of this page: what was dropped, what the server says of it, and the way between the two.

const UPLOADS_AT_ONCE = 3;

/// A name that nobody guesses: whoever knows a batch's name may see it.
function randomName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/// The answer to a request, or an error with the server's own words.
async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error("the server does not answer");
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw new Error(error ?? `the server answers ${answer.status}`);
}

class Jobs {
  /// `onChange` is called with each item that changed, and without one when some came or went.
  constructor(onChange) {
    this.onChange = onChange;
    this.items = [];
    this.waiting = [];
    this.uploads = 0;
    this.batch = sessionStorage.getItem("batch") ?? randomName();
    sessionStorage.setItem("batch", this.batch);
  }

  /// Takes up what an earlier page of this tab began, and listens from now on.
  async start() {
    const known = await (await ask(`/api/batches/${this.batch}`)).json();
    for (const status of known) this.add({ name: status.name, source: `/api/jobs/${status.id}/source`, status });
    this.events = new EventSource(`/api/batches/${this.batch}/events`);
    this.events.addEventListener("job", (event) => this.hear(JSON.parse(event.data)));
  }

  add(item) {
    this.items.push(item);
    this.onChange();
    return item;
  }

  /// Queues a file with the options in force now.
  submit(file, options, limits) {
    const local = URL.createObjectURL(file);
    const item = this.add({ name: file.name, source: local, local, file, options });
    if (file.size > limits.mostBytes) {
      this.fail(item, `larger than the ${Math.round(limits.mostBytes / 1048576)} MB that are taken`);
      return;
    }
    this.waiting.push(item);
    this.upload();
  }

  async upload() {
    if (this.uploads >= UPLOADS_AT_ONCE || this.waiting.length === 0) return;
    const item = this.waiting.shift();
    this.uploads += 1;
    try {
      const query = new URLSearchParams({ ...item.options, batch: this.batch, name: item.name });
      const answer = await ask(`/api/jobs?${query}`, {
        method: "POST",
        headers: { "Content-Type": "application/octet-stream" },
        body: item.file,
      });
      const status = await answer.json();
      // Its events may have been faster than this answer.
      const early = this.early?.get(status.id);
      if (item.isRemoved) await this.forget(status.id);
      else this.update(item, early ?? status);
    } catch (error) {
      this.fail(item, error.message);
    }
    this.uploads -= 1;
    this.upload();
  }

  hear(status) {
    const item = this.items.find((item) => item.status?.id === status.id);
    if (item) this.update(item, status);
    else (this.early ??= new Map()).set(status.id, status);
  }

  /// Takes the server's picture of a file that the browser cannot show, such as a TIFF, once there is one.
  showAsPNG(item) {
    item.isForeign = true;
    const id = item.status?.id;
    if (!id || item.showsPNG) return;
    item.showsPNG = true;
    item.source = `/api/jobs/${id}/source?format=png`;
    this.onChange(item);
  }

  update(item, status) {
    item.status = status;
    if (item.isForeign) this.showAsPNG(item);
    this.early?.delete(status.id);
    this.onChange(item);
  }

  fail(item, error) {
    item.status = { ...item.status, state: "failed", error };
    this.onChange(item);
  }

  /// The address of the result's pixels, fetched once: it stays after the server has forgotten it.
  async result(item) {
    item.result ??= ask(`/api/jobs/${item.status.id}/result`)
      .then((answer) => answer.blob())
      .then((blob) => URL.createObjectURL(blob));
    return item.result;
  }

  async forget(id) {
    await ask(`/api/jobs/${id}`, { method: "DELETE" }).catch(() => {});
  }

  /// Cancels what is on its way, and forgets what is done.
  remove(...gone) {
    this.items = this.items.filter((item) => !gone.includes(item));
    this.waiting = this.waiting.filter((item) => !gone.includes(item));
    for (const item of gone) {
      item.isRemoved = true;
      if (item.status?.id) this.forget(item.status.id);
      if (item.file) URL.revokeObjectURL(item.local);
      item.result?.then(URL.revokeObjectURL, () => {});
    }
    // Told once: the page would show, and fetch, every one that is next for a moment.
    this.onChange();
  }

  removeAll() {
    this.remove(...this.items);
  }
}

/// What a line of the list says of an item.
function stateText({ status }) {
  switch (status?.state) {
    case undefined: return "uploading";
    case "queued": return "waiting";
    case "running": return `restoring, ${Math.round(100 * status.progress)} %`;
    case "done": {
      const time = status.seconds < 10 ? status.seconds.toFixed(1) : Math.round(status.seconds);
      return status.decision ?? `restored in ${time} s`;
    }
    case "cancelled": return "cancelled";
    default: return status.error ?? "failed";
  }
}
