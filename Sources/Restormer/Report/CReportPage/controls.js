// The controls around the stage, as every page has them: zoom, modes, keys, light and dark.

const element = (id) => document.getElementById(id);

/// A viewer on the page's stage that tells the controls how it stands.
function makeViewer() {
  return new Viewer(element("stage"), element("divider"), (state) => {
    element("scale").textContent = `${Math.round(100 * state.scale)} %`;
    element("fit").setAttribute("aria-pressed", state.fits);
    for (const button of element("modes").children) {
      button.setAttribute("aria-pressed", button.dataset.mode === state.mode);
    }
  });
}

/// Ties buttons and keys to a viewer. `step` goes on by a number of images, `setMode` changes the mode, and `more` holds
/// the page's own keys.
function tieControls(viewer, step, setMode, more = {}) {
  const actions = {
    n: () => step(1),
    p: () => step(-1),
    s: () => setMode(viewer.mode === "side" ? "slider" : "side"),
    "+": () => viewer.zoomBy(1.4),
    "=": () => viewer.zoomBy(1.4),
    "-": () => viewer.zoomBy(1 / 1.4),
    0: () => viewer.fit(),
    1: () => viewer.zoomTo(1),
    ...more,
  };
  const buttons = { next: "n", previous: "p", larger: "+", smaller: "-", fit: "0", actual: "1" };
  for (const [id, key] of Object.entries(buttons)) element(id).addEventListener("click", actions[key]);
  for (const button of element("modes").children) {
    button.addEventListener("click", () => setMode(button.dataset.mode));
  }
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("select, input, summary");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/// Follows the system's choice of light or dark until the button is pressed.
function followTheme() {
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const setTheme = (isDark) => (document.documentElement.dataset.theme = isDark ? "dark" : "light");
  prefersDark.addEventListener("change", (event) => setTheme(event.matches));
  setTheme(prefersDark.matches);
  element("theme").addEventListener("click", () =>
    setTheme(document.documentElement.dataset.theme !== "dark"));
}

/// Tells the style how high the heading is, now and whenever that changes.
function measureHeading() {
  const header = document.querySelector("header");
  const measure = () =>
    document.documentElement.style.setProperty("--header", `${header.offsetHeight}px`);
  new ResizeObserver(measure).observe(header);
  measure();
}
