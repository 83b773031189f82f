// Zoom and pan of all panes of the viewer at once: wheel, pinch, drag and keys.
(function () {
  "use strict";
  const LARGEST = 32;

  FuseLab.PanZoom = class {
    // surface: holds elements of class "area", all of one size, in which elements of class "layer" show the picture.
    // The style sheet moves all layers by the surface's variables, so that one write moves every pane.
    constructor(surface, onchange) {
      this.surface = surface;
      this.onchange = onchange;
      this.picture = { width: 1, height: 1 };
      this.fitted = false;
      this.zoom = 1; // CSS pixels per pixel of the picture
      this.x = this.y = 0; // the picture's point at the middle of every area
      this.pointers = new Map();
      surface.addEventListener("wheel", (event) => this.#turn(event), { passive: false });
      surface.addEventListener("pointerdown", (event) => this.#press(event));
      surface.addEventListener("pointermove", (event) => this.#move(event));
      for (const end of ["pointerup", "pointercancel"]) {
        surface.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
      }
      new ResizeObserver(() => this.apply()).observe(surface);
    }

    // Takes the size of a scene's pictures; the place that is looked at stays where it was, relative to the picture.
    setPicture(width, height) {
      this.x *= width / this.picture.width;
      this.y *= height / this.picture.height;
      this.picture = { width, height };
      this.apply();
    }

    // Goes to 1:1 at a place given as parts of the picture's width and height.
    reset(place = { x: 0.5, y: 0.5 }) {
      this.fitted = false;
      this.zoom = 1;
      this.x = place.x * this.picture.width;
      this.y = place.y * this.picture.height;
      this.apply();
    }

    toggleFit() {
      if (this.fitted) this.setZoom(1);
      else this.setFit();
    }

    setFit() {
      this.fitted = true;
      this.apply();
    }

    // from: offset from an area's middle, in CSS pixels; the picture's point there stays there.
    setZoom(zoom, from = { x: 0, y: 0 }) {
      const old = this.zoom;
      this.fitted = false;
      this.zoom = Math.min(LARGEST, Math.max(Math.min(this.#findFit() / 2, 0.25), zoom));
      this.x += from.x / old - from.x / this.zoom;
      this.y += from.y / old - from.y / this.zoom;
      this.apply();
    }

    panBy(x, y) {
      this.x -= x / this.zoom;
      this.y -= y / this.zoom;
      if (this.fitted && this.zoom !== this.#findFit()) this.fitted = false;
      this.apply();
    }

    apply() {
      const area = this.#measureArea();
      if (!area.width) return;
      if (this.fitted) this.zoom = this.#findFit();
      this.x = hold(this.x, this.picture.width, area.width / this.zoom);
      this.y = hold(this.y, this.picture.height, area.height / this.zoom);
      const style = this.surface.style;
      const snap = (value) => Math.round(value * devicePixelRatio) / devicePixelRatio; // or 1:1 would be blurred
      style.setProperty("--zoom", this.zoom);
      style.setProperty("--left", `${snap(area.width / 2 - this.x * this.zoom)}px`);
      style.setProperty("--top", `${snap(area.height / 2 - this.y * this.zoom)}px`);
      style.setProperty("--picture-width", `${this.picture.width}px`);
      style.setProperty("--picture-height", `${this.picture.height}px`);
      this.surface.classList.toggle("enlarged", this.zoom > 1);
      this.onchange(this.zoom);
    }

    #measureArea() {
      const area = this.surface.querySelector(".area");
      return area ? { width: area.clientWidth, height: area.clientHeight } : { width: 0, height: 0 };
    }

    #findFit() {
      const area = this.#measureArea();
      return Math.min(area.width / this.picture.width, area.height / this.picture.height) || 1;
    }

    #fromMiddle(target, x, y) {
      const area = (target.closest?.(".area") ?? this.surface.querySelector(".area")).getBoundingClientRect();
      return { x: x - area.left - area.width / 2, y: y - area.top - area.height / 2 };
    }

    #turn(event) {
      event.preventDefault();
      const step = event.deltaY * (event.deltaMode === 1 ? 16 : 1) * (event.ctrlKey ? 0.01 : 0.0015);
      this.setZoom(this.zoom * Math.exp(-step), this.#fromMiddle(event.target, event.clientX, event.clientY));
    }

    #press(event) {
      if (event.button > 0 || event.target.closest("input, button, select")) return;
      this.surface.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, target: event.target });
    }

    #move(event) {
      const old = this.pointers.get(event.pointerId);
      if (!old) return;
      const now = { x: event.clientX, y: event.clientY, target: old.target };
      this.pointers.set(event.pointerId, now);
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (!other) {
        this.panBy(now.x - old.x, now.y - old.y);
        return;
      }
      const distance = (point) => Math.hypot(point.x - other.x, point.y - other.y);
      this.panBy((now.x - old.x) / 2, (now.y - old.y) / 2);
      const middle = this.#fromMiddle(old.target, (now.x + other.x) / 2, (now.y + other.y) / 2);
      this.setZoom(this.zoom * distance(now) / Math.max(1, distance(old)), middle);
    }
  };

  // A picture smaller than the area stays in its middle, a larger one covers it.
  function hold(value, size, seen) {
    return seen >= size ? size / 2 : Math.min(size - seen / 2, Math.max(seen / 2, value));
  }
})();
