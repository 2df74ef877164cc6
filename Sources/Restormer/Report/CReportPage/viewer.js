// The stage: two or three views of one image that share their zoom and their place.

const LARGEST_SCALE = 32;

class Viewer {
  constructor(stage, divider, onChange) {
    this.stage = stage;
    this.divider = divider;
    this.onChange = onChange;
    this.mode = "slider";
    this.border = 50; // Per cent of the stage's width.
    this.panes = [];
    this.size = { width: 1, height: 1 };
    this.fits = true;
    this.scale = 1;
    this.centre = { x: 0.5, y: 0.5 }; // What lies in the middle of a pane, as parts of the image.
    this.pointers = new Map();
    this.listen();
  }

  /// Shows `views`, each { label, source }, of an image of the given size. The place stays, as images of one batch are
  /// often alike.
  show(views, size) {
    const isNew = size.width !== this.size.width || size.height !== this.size.height;
    this.size = size;
    this.panes.forEach((pane) => pane.remove());
    this.panes = views.map((view, index) => this.makePane(view, index));
    if (isNew || this.fits) this.fit();
    else this.draw();
  }

  makePane(view, index) {
    const pane = document.createElement("div");
    pane.className = index === 0 ? "pane first" : "pane second";
    const image = document.createElement("img");
    image.src = view.source;
    image.alt = view.label;
    image.draggable = false;
    image.style.width = `${this.size.width}px`;
    image.style.height = `${this.size.height}px`;
    const tag = document.createElement("span");
    tag.className = "tag";
    tag.textContent = view.label;
    pane.append(image, tag);
    this.stage.insertBefore(pane, this.divider);
    return pane;
  }

  setBorder(percent) {
    this.border = Math.min(100, Math.max(0, percent));
    this.draw();
  }

  // ---- Zoom and place ----

  get pane() {
    const pane = this.panes[0] ?? this.stage;
    return { width: Math.max(1, pane.clientWidth), height: Math.max(1, pane.clientHeight) };
  }

  get fittingScale() {
    const { width, height } = this.pane;
    return Math.min(width / this.size.width, height / this.size.height, 8);
  }

  get isMovable() {
    const { width, height } = this.pane;
    return this.size.width * this.scale > width + 1 || this.size.height * this.scale > height + 1;
  }

  fit() {
    this.stage.dataset.mode = this.mode;
    this.fits = true;
    this.scale = this.fittingScale;
    this.centre = { x: 0.5, y: 0.5 };
    this.draw();
  }

  /// Zooms to `scale` so that what lies at `point`, in pixels of a pane, stays there.
  zoomTo(scale, point = { x: this.pane.width / 2, y: this.pane.height / 2 }) {
    const old = this.scale;
    const smallest = Math.min(1, this.fittingScale);
    this.scale = Math.min(LARGEST_SCALE, Math.max(smallest, scale));
    this.fits = Math.abs(this.scale - this.fittingScale) < 1e-6;
    const shift = 1 / old - 1 / this.scale;
    this.centre.x += ((point.x - this.pane.width / 2) * shift) / this.size.width;
    this.centre.y += ((point.y - this.pane.height / 2) * shift) / this.size.height;
    this.draw();
  }

  zoomBy(factor, point) {
    this.zoomTo(this.scale * factor, point);
  }

  /// Moves the image by pixels of the screen.
  move(x, y) {
    this.centre.x -= x / (this.scale * this.size.width);
    this.centre.y -= y / (this.scale * this.size.height);
    this.draw();
  }

  draw() {
    this.stage.dataset.mode = this.mode;
    const { width, height } = this.pane;
    this.centre.x = this.inside(this.centre.x, width / (this.size.width * this.scale));
    this.centre.y = this.inside(this.centre.y, height / (this.size.height * this.scale));
    const left = width / 2 - this.centre.x * this.size.width * this.scale;
    const top = height / 2 - this.centre.y * this.size.height * this.scale;
    for (const pane of this.panes) {
      pane.classList.toggle("coarse", this.scale >= 3);
      pane.firstChild.style.transform = `translate(${left}px, ${top}px) scale(${this.scale})`;
    }
    const second = this.panes[1];
    if (second) second.style.clipPath = `inset(0 0 0 ${this.border}%)`;
    this.divider.style.left = `${this.border}%`;
    this.divider.hidden = !second;
    const value = Math.round(this.border);
    this.divider.setAttribute("aria-valuenow", value);
    this.divider.setAttribute("aria-valuetext", `${value} %`);
    this.stage.classList.toggle("movable", this.isMovable);
    this.onChange(this);
  }

  /// The nearest centre at which no edge of the image leaves the pane, of which the pane shows `part`.
  inside(centre, part) {
    if (part >= 1) return 0.5;
    return Math.min(1 - part / 2, Math.max(part / 2, centre));
  }

  // ---- Input ----

  listen() {
    this.stage.addEventListener("pointerdown", (event) => this.pointerDown(event));
    this.stage.addEventListener("pointermove", (event) => this.pointerMove(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.stage.addEventListener(end, (event) => this.pointerUp(event));
    }
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => (this.fits ? this.fit() : this.draw())).observe(this.stage);
  }

  /// Where an event is, in pixels of the pane under it.
  place(event) {
    const pane = this.panes.find((pane) => this.mode === "side" && this.covers(pane, event));
    const frame = (pane ?? this.stage).getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  }

  covers(pane, event) {
    const frame = pane.getBoundingClientRect();
    return event.clientX >= frame.left && event.clientX <= frame.right
      && event.clientY >= frame.top && event.clientY <= frame.bottom;
  }

  pointerDown(event) {
    if (event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    // An image that cannot be moved has the whole stage as the handle of its border.
    const onBorder = this.divider.contains(event.target) || !this.isMovable;
    const isAlone = this.pointers.size === 1;
    this.dragsBorder = this.mode === "slider" && this.panes.length > 1 && isAlone && onBorder;
    // A first finger may be the beginning of a pinch: only its movement counts.
    if (this.dragsBorder && event.pointerType === "mouse") this.dragBorder(event);
    else this.stage.classList.toggle("dragging", this.isMovable);
  }

  pointerMove(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const now = { x: event.clientX, y: event.clientY };
    if (this.pointers.size === 2) this.pinch(event, last, now);
    else if (this.dragsBorder) this.dragBorder(event);
    else this.move(now.x - last.x, now.y - last.y);
    this.pointers.set(event.pointerId, now);
  }

  pointerUp(event) {
    this.pointers.delete(event.pointerId);
    this.stage.classList.remove("dragging");
  }

  pinch(event, last, now) {
    const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const distance = (at) => Math.hypot(at.x - other.x, at.y - other.y);
    const middle = { clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 };
    this.move((now.x - last.x) / 2, (now.y - last.y) / 2);
    this.zoomBy(distance(now) / Math.max(1, distance(last)), this.place(middle));
  }

  dragBorder(event) {
    const frame = this.stage.getBoundingClientRect();
    this.setBorder((100 * (event.clientX - frame.left)) / frame.width);
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    this.zoomBy(Math.exp(-event.deltaY * lines * 0.0016), this.place(event));
  }

  key(event) {
    const steps = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const step = steps[event.key];
    if (event.target === this.divider) {
      const size = event.shiftKey ? 10 : 2;
      if (step && step[0]) this.setBorder(this.border - step[0] * size);
      else if (event.key === "Home") this.setBorder(0);
      else if (event.key === "End") this.setBorder(100);
      else return;
    } else if (step && this.isMovable) {
      this.move(60 * step[0], 60 * step[1]);
    } else {
      return;
    }
    event.preventDefault();
  }
}
