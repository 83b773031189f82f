// From a row to the viewer and back, from the address to a scene, and from scene to scene by keys.
(function () {
  "use strict";
  const { make, address } = FuseLab;

  FuseLab.addHelp("The page", [
    ["/", "filter by name"],
    ["J K", "next scene, previous scene"],
    ["Enter", "open the picture that is marked"],
    ["?", "these keys"],
  ]);

  // A row's head: the name and a link to it, for others.
  FuseLab.makeHead = (scene) => make("h2", {}, scene.name, " ",
    make("a", {
      class: "anchor", href: FuseLab.linkToScene(scene.name), title: "link to this scene",
      "aria-label": `link to ${scene.name}`,
    }, "#"));

  // Keeps what a link leads to from being hidden by the bar above the rows.
  FuseLab.keepClear = function (bar) {
    function measure() {
      const height = getComputedStyle(bar).position === "sticky" ? bar.offsetHeight : 0;
      document.documentElement.style.setProperty("--bar", `${height}px`);
    }
    new ResizeObserver(measure).observe(bar);
    measure();
  };

  // A click on a picture opens the viewer at the place of the click.
  FuseLab.openOnClick = function (main, rows, viewer) {
    main.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-label]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return; // these open a tab or a window
      event.preventDefault();
      const box = link.getBoundingClientRect();
      const place = event.detail
        ? { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height } : undefined; // a key
      viewer.open(link.closest(".scene").scene, { view: "all", left: link.dataset.label }, { place });
    });
    document.addEventListener("keydown", (event) => {
      if (FuseLab.isTyping(event) || document.querySelector("dialog[open]")) return;
      const step = { j: 1, k: -1 }[event.key.toLowerCase()];
      const filter = document.getElementById("filter");
      if (step) {
        const row = rows.rowAt(step);
        row?.focus({ preventScroll: true });
        row?.scrollIntoView();
      } else if (event.key === "/" && filter) {
        filter.focus();
      } else {
        return;
      }
      event.preventDefault();
    });
  };

  FuseLab.returnToRow = function (rows, scene, label) {
    const row = rows.reveal(scene, "nearest");
    const link = Array.from(row?.querySelectorAll("a[data-label]") ?? []).find((each) => each.dataset.label === label);
    (link ?? row)?.focus();
  };

  // Goes where the address says, now and whenever it changes. show(scene) brings a hidden one into the rows.
  FuseLab.followAddress = function ({ scenes, rows, viewer, show }) {
    function follow() {
      const { scene: name, view, left, right } = address.read();
      const scene = scenes.find((each) => each.name === name);
      if (!scene || !view) viewer.close();
      for (const marked of document.querySelectorAll(".scene.marked")) marked.classList.remove("marked");
      if (!scene) return;
      show(scene);
      if (view) {
        viewer.open(scene, { view, left, right }, { push: false });
      } else {
        const row = rows.reveal(scene);
        row.classList.add("marked");
        row.focus({ preventScroll: true });
      }
    }
    addEventListener("hashchange", follow);
    follow();
  };
})();
