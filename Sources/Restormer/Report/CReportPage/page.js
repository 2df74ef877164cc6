// The page: reads its data, fills heading and list, and ties the controls to the viewer.

const LABELS = { before: "Before", after: "After", target: "Target" };
const page = JSON.parse(document.getElementById("data").textContent);

for (const [place, item] of page.items.entries()) {
  item.place = place;
  for (const scores of [item.before, item.after]) {
    // JSON has no infinity: the PSNR of equal images is left away.
    if (scores) scores.psnr ??= Infinity;
  }
}

const labels = { ...LABELS, ...(page.views.includes("before") ? {} : { after: "Image" }) };

// ---- Heading ----

function mean(scores) {
  const average = (key) => scores.reduce((sum, score) => sum + score[key], 0) / scores.length;
  return Object.fromEntries(METRICS.map(({ key }) => [key, average(key)]));
}

function fillHeading() {
  const { items } = page;
  const parts = [items.length === 1 ? "1 image" : `${items.length} images`, page.source];
  const scored = items.filter((item) => item.before && item.after);
  if (scored.length) {
    const better = scored.filter((item) => item.after.psnr > item.before.psnr).length;
    parts.push(`${better} of ${scored.length} better by PSNR`);
  }
  element("overview").textContent = parts.join(" · ");
  element("notes").append(...page.notes.map((note) => cell("li", note)));
  const rows = ["before", "after"].filter((view) => items.every((item) => item[view]));
  if (rows.length) element("means").append(meanTable(rows));
}

function meanTable(views) {
  const { items } = page;
  const means = views.map((view) => mean(items.map((item) => item[view])));
  const rows = views.map((view, index) => ({
    label: labels[view],
    scores: means[index],
  }));
  return scoreTable(items.length === 1 ? "" : "Means", rows, means.length === 2 ? changes(...means) : undefined);
}

// ---- Viewer ----

const viewer = makeViewer();
const list = new ImageList(element("list"), [...page.items], show);

/// The views to show: a pair over each other, all side by side.
function shownViews() {
  if (viewer.mode === "side") return page.views;
  return element("pair").value.split(" ");
}

function show(item) {
  const views = shownViews().map((view) => ({
    label: labels[view],
    source: element(`image-${item.place}-${view}`).textContent.trim(),
  }));
  viewer.show(views, { width: item.width, height: item.height });
  element("name").textContent = item.name;
  element("size").textContent = sizeText(item);
  const rows = ["before", "after"].filter((view) => item[view]);
  const difference = rows.length === 2 ? changes(item.before, item.after) : undefined;
  const table = rows.map((view) => ({ label: labels[view], scores: item[view] }));
  element("scores").replaceChildren(...(rows.length ? [scoreTable("", table, difference)] : []));
  element("previous").disabled = list.items[0] === item;
  element("next").disabled = list.items.at(-1) === item;
}

function sizeText(item) {
  const size = `${item.width} × ${item.height} pixels`;
  return item.shown ? `${size}, shown at ${item.shown[0]} × ${item.shown[1]}` : size;
}

function setMode(mode) {
  viewer.mode = mode;
  element("pair").disabled = mode === "side";
  show(list.chosen);
}

// ---- Controls ----

function fillPairs() {
  const pairs = page.views.flatMap((first, index) =>
    page.views.slice(index + 1).map((second) => [first, second]));
  for (const pair of pairs) {
    const title = pair.map((view) => labels[view]).join(" | ");
    element("pair").append(new Option(title, pair.join(" ")));
  }
  element("pair").hidden = pairs.length < 2;
  element("pair").addEventListener("change", () => show(list.chosen));
}

function fillOrders() {
  const choices = orders(page.items);
  element("order").append(...choices.map((order, index) => new Option(order.title, index)));
  element("order").addEventListener("change", (event) => {
    list.sort(choices[event.target.value].compare);
    show(list.chosen);
  });
  list.sort(choices[0].compare);
}

// ---- Start ----

document.querySelector("main").classList.toggle("single", page.items.length === 1);
followTheme();
fillHeading();
measureHeading();
fillPairs();
fillOrders();
tieControls(viewer, (by) => list.step(by), setMode);
list.choose(list.items[0]);
