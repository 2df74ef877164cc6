// The page: ties the list, the options and the controls to the jobs and the viewer.

const lines = new Map(); // Of the list, by item.
let chosen;
let offer = { models: [], mostBytes: Infinity };

const viewer = makeViewer();

const jobs = new Jobs((item) => {
  if (item) drawLine(item);
  else drawList();
  if (item && item === chosen) show(item);
  drawStatus();
});

// ---- List ----

function drawList() {
  for (const [item, line] of lines) {
    if (jobs.items.includes(item)) continue;
    line.remove();
    lines.delete(item);
  }
  for (const item of jobs.items) {
    if (!lines.has(item)) lines.set(item, makeLine(item));
  }
  document.querySelector("main").classList.toggle("empty", jobs.items.length === 0);
  if (!jobs.items.includes(chosen)) choose(jobs.items[0]);
  else drawSteps();
}

function makeLine(item) {
  const line = document.createElement("li");
  const main = document.createElement("button");
  main.type = "button";
  const image = document.createElement("img");
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  image.src = item.source;
  // A file that is no picture has nothing to show, not even a broken one.
  image.addEventListener("load", () => (image.style.visibility = ""));
  image.addEventListener("error", () => {
    image.style.visibility = "hidden";
    jobs.showAsPNG(item);
  });
  const [name, state, progress] = ["span", "span", "progress"].map((kind) => document.createElement(kind));
  name.className = "file";
  name.textContent = item.name;
  state.className = "state";
  progress.max = 1;
  progress.setAttribute("aria-label", `Progress of ${item.name}`);
  main.append(image, name, state, progress);
  main.addEventListener("click", () => choose(item));
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "remove";
  remove.textContent = "✕";
  remove.addEventListener("click", () => jobs.remove(item));
  line.append(main, remove);
  element("list").append(line);
  lines.set(item, line);
  drawLine(item);
  return line;
}

function drawLine(item) {
  const line = lines.get(item);
  if (!line) return;
  const { state, progress, error } = item.status ?? {};
  const image = line.querySelector("img");
  if (image.getAttribute("src") !== item.source) image.src = item.source;
  line.className = state ?? "uploading";
  line.querySelector(".state").textContent = stateText(item);
  line.querySelector(".state").title = error ?? "";
  line.querySelector("progress").hidden = state !== "running";
  line.querySelector("progress").value = progress ?? 0;
  const isOver = ["done", "failed", "cancelled"].includes(state);
  const remove = line.querySelector(".remove");
  remove.setAttribute("aria-label", `${isOver ? "Remove" : "Cancel"} ${item.name}`);
  remove.title = isOver ? "Remove (x)" : "Cancel (x)";
}

function drawStatus() {
  const count = (...states) => jobs.items.filter((item) => states.includes(item.status?.state)).length;
  const [done, failed] = [count("done"), count("failed", "cancelled")];
  const total = jobs.items.length;
  const parts = total ? [`${done} of ${total} done`] : [];
  if (failed) parts.push(`${failed} failed`);
  element("status").textContent = parts.join(", ");
  element("all").hidden = total === 0;
  element("download-all").hidden = done === 0;
  element("download-all").href = `/api/batches/${jobs.batch}/results.zip`;
}

// ---- Viewer ----

function choose(item) {
  chosen = item;
  for (const [other, line] of lines) {
    line.firstChild.setAttribute("aria-current", other === item);
  }
  drawSteps();
  if (item) {
    lines.get(item)?.scrollIntoView({ block: "nearest" });
    show(item);
  }
}

function drawSteps() {
  const place = jobs.items.indexOf(chosen);
  element("previous").disabled = place <= 0;
  element("next").disabled = place < 0 || place === jobs.items.length - 1;
}

function step(by) {
  const item = jobs.items[jobs.items.indexOf(chosen) + by];
  if (item) choose(item);
}

/// Shows an item as far as it is: the picture as it was dropped, and the result over it.
async function show(item) {
  const status = item.status ?? {};
  element("name").textContent = item.name;
  const size = status.width ? `${status.width} × ${status.height} pixels · ` : "";
  element("size").textContent = size + stateText(item);
  element("download").hidden = status.state !== "done";
  if (status.state === "done") {
    element("download").href = `/api/jobs/${status.id}/result`;
    element("download").download = status.resultName;
  }
  const views = [{ label: "Before", source: item.source }];
  if (status.state === "done") {
    try {
      views.push({ label: "After", source: await jobs.result(item) });
    } catch (error) {
      element("size").textContent = `${size}the result is gone: ${error.message}`;
    }
  }
  const pixels = status.width ? status : await measured(item);
  // Meanwhile another one may have been chosen, or this one may have come further.
  if (chosen !== item || (item.status ?? {}).state !== status.state) return;
  const seen = `${views.map((view) => view.source)} ${pixels.width} ${pixels.height}`;
  if (seen !== shown) viewer.show(views, pixels);
  shown = seen;
}

let shown = "";

/// The size of a picture that the server has not measured yet.
async function measured(item) {
  const image = new Image();
  image.src = item.source;
  await image.decode().catch(() => {});
  return { width: image.naturalWidth || 1, height: image.naturalHeight || 1 };
}

function setMode(mode) {
  viewer.mode = mode;
  viewer.fit();
}

// ---- Files ----

function take(files) {
  const options = { model: element("model").value, format: element("format").value };
  if (element("tta").checked) options.tta = "true";
  if (element("even-sharp").checked) options["even-sharp"] = "true";
  for (const file of files) jobs.submit(file, options, offer);
}

element("choose").addEventListener("click", () => element("files").click());
element("files").addEventListener("change", ({ target }) => {
  take(target.files);
  target.value = "";
});
addEventListener("paste", (event) => take(event.clipboardData.files));
for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
}
for (const kind of ["dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    if (kind === "drop" || !event.relatedTarget) document.body.classList.remove("dropping");
  });
}
addEventListener("drop", (event) => take(event.dataTransfer.files));

// ---- Controls ----

tieControls(viewer, step, setMode, {
  o: () => element("files").click(),
  d: () => element("download").hidden || element("download").click(),
  x: () => chosen && jobs.remove(chosen),
});
element("clear").addEventListener("click", () => jobs.removeAll());

// ---- Start ----

function drawModel() {
  const model = offer.models.find((model) => model.name === element("model").value);
  element("purpose").textContent = model?.purpose ?? "";
  element("sharp").hidden = !model?.leavesSharpAlone;
}

followTheme();
measureHeading();
drawStatus();
element("model").addEventListener("change", drawModel);
try {
  offer = await (await ask("/api/models")).json();
  element("model").append(...offer.models.map(({ name }) => new Option(name)));
  drawModel();
  await jobs.start();
} catch (error) {
  element("status").textContent = `The server cannot be used: ${error.message}`;
}
