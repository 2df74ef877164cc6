// The scores in words, the orders of the list and the list itself.

const METRICS = [
  { key: "psnr", title: "PSNR", unit: " dB", digits: 2, largerIsBetter: true },
  { key: "ssim", title: "SSIM", unit: "", digits: 4, largerIsBetter: true },
  { key: "l1", title: "L1", unit: "", digits: 4, largerIsBetter: false },
  { key: "l2", title: "L2", unit: "", digits: 5, largerIsBetter: false },
];

/// A score as the page shows it; equal images have no finite PSNR.
function number(value, digits) {
  if (Number.isNaN(value)) return "–";
  return Number.isFinite(value) ? value.toFixed(digits).replace("-", "−") : value > 0 ? "∞" : "−∞";
}

function signed(value, digits) {
  const text = number(value, digits);
  return value > 0 ? `+${text}` : text;
}

/// What became of a score: 0 for two equal ones, infinite ones too.
function change(before, after) {
  return before === after ? 0 : after - before;
}

function judgement(metric, difference) {
  if (!difference) return "";
  return difference > 0 === metric.largerIsBetter ? "better" : "worse";
}

/// A table of scores with a row for each { label, scores } and, of before and after, their change.
function scoreTable(title, rows, difference) {
  const table = document.createElement("table");
  const head = table.insertRow();
  head.append(cell("th", title), ...METRICS.map((metric) => cell("th", metric.title + metric.unit)));
  for (const { label, scores } of rows) {
    const values = METRICS.map((metric) => cell("td", number(scores[metric.key], metric.digits)));
    table.insertRow().append(cell("th", label), ...values);
  }
  if (difference) {
    const row = table.insertRow();
    row.className = "change";
    const values = METRICS.map((metric) => {
      const value = difference[metric.key];
      return cell("td", signed(value, metric.digits), judgement(metric, value));
    });
    row.append(cell("th", "Change"), ...values);
  }
  return table;
}

function cell(kind, text, className = "") {
  const element = document.createElement(kind);
  element.textContent = text;
  element.className = className;
  return element;
}

/// The changes of all scores from before to after.
function changes(before, after) {
  return Object.fromEntries(METRICS.map(({ key }) => [key, change(before[key], after[key])]));
}

/// The orders that the scores at hand allow; the first is the one to begin with.
function orders(items) {
  const byName = { title: "Name", compare: (a, b) => a.place - b.place };
  const by = (title, value, sign = 1) => ({
    title,
    compare: (a, b) => sign * (value(a) - value(b)) || a.place - b.place,
  });
  if (!items.every((item) => item.after)) {
    const amount = (item) => item.difference ?? 0;
    return [by("Most changed first", amount, -1), by("Least changed first", amount), byName];
  }
  const result = [
    by("Worst first (PSNR)", (item) => item.after.psnr),
    by("Best first (PSNR)", (item) => item.after.psnr, -1),
    by("Lowest SSIM first", (item) => item.after.ssim),
    by("Highest L1 first", (item) => item.after.l1, -1),
    by("Highest L2 first", (item) => item.after.l2, -1),
    byName,
  ];
  if (items.every((item) => item.before)) {
    const gain = (item) => change(item.before.psnr, item.after.psnr);
    result.splice(2, 0, by("Smallest gain first", gain), by("Largest gain first", gain, -1));
  }
  return result;
}

/// The list of images: one is chosen, arrow keys go through it.
class ImageList {
  constructor(list, items, onChoice) {
    this.list = list;
    this.items = items;
    this.onChoice = onChoice;
    this.rows = new Map(items.map((item) => [item, this.makeRow(item)]));
    list.addEventListener("keydown", (event) => this.key(event));
  }

  sort(compare) {
    this.items.sort(compare);
    this.list.append(...this.items.map((item) => this.rows.get(item)));
    this.rows.get(this.chosen)?.scrollIntoView({ block: "nearest" });
  }

  choose(item) {
    const mark = (item, isChosen) => {
      const button = this.rows.get(item)?.firstChild;
      button?.setAttribute("aria-current", isChosen);
      if (button) button.tabIndex = isChosen ? 0 : -1;
    };
    mark(this.chosen, false);
    this.chosen = item;
    mark(item, true);
    this.onChoice(item);
  }

  /// Goes `count` images on, or back.
  step(count) {
    const item = this.items[this.items.indexOf(this.chosen) + count];
    if (item) this.choose(item);
    return item;
  }

  key(event) {
    const count = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!count) return;
    event.preventDefault();
    const item = this.step(count);
    if (item) this.rows.get(item).firstChild.focus();
  }

  makeRow(item) {
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = -1;
    button.title = item.name;
    const image = document.createElement("img");
    image.src = item.thumbnail;
    image.alt = "";
    button.append(image, cell("span", item.name, "file"), ...this.scores(item));
    button.addEventListener("click", () => this.choose(item));
    const row = document.createElement("li");
    row.append(button);
    return row;
  }

  scores(item) {
    if (!item.after) {
      const text = item.difference === undefined ? "" : `changed by ${number(item.difference, 4)}`;
      return [cell("span", text, "score")];
    }
    const score = cell("span", `${number(item.after.psnr, 2)} dB`, "score");
    if (!item.before) return [score];
    const gain = change(item.before.psnr, item.after.psnr);
    return [score, cell("span", signed(gain, 2), `gain ${judgement(METRICS[0], gain)}`)];
  }
}
