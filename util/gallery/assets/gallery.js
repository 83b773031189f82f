// The page of a test or an evaluation: puts the table, the bar, the rows and the viewer together.
(function () {
  "use strict";
  const { make } = FuseLab;

  const gallery = FuseLab.readGallery(document.getElementById("gallery").textContent);
  const { columns, metrics, methods } = gallery;
  const main = document.getElementById("scenes");
  const fused = columns.find((column) => column.kind === "fused") ?? columns[0];
  const state = {
    filter: "", sort: "", method: Math.max(0, methods.indexOf(fused?.method)), reverse: false, count: undefined,
    hidden: new Set(), chips: "leading",
    compare: { mode: "", left: fused?.label, right: columns.find((column) => column !== fused)?.label },
  };
  let scenes = gallery.scenes;
  let emphasised = "";

  const getColumns = () => columns.filter((column) => !state.hidden.has(column.label));

  // The rows

  const compared = () => ["left", "right"].map((side) => columns.find((column) => column.label === state.compare[side]));
  const countShown = () => getColumns().length + (state.compare.mode ? 1 : 0);

  function makeChips(scene, column) {
    const method = methods.indexOf(column.method);
    if (column.kind !== "fused" || method < 0 || state.chips === "none") return null;
    const shown = metrics.filter((metric) => state.chips === "all" || metric.leading || metric.name === state.sort);
    const longest = Math.max(...shown.map((metric) => metric.name.length));
    return make("dl", { class: "chips", style: `--chip: ${longest + 7}ch` }, ...shown.map((metric) => {
      const value = scene.scores[method][metric.index];
      const best = FuseLab.findBest(scene, metric).includes(method);
      const names = [metric.name === state.sort && "chosen", best && "best"].filter(Boolean).join(" ");
      return make("div", { class: names || null, title: `${metric.title}: ${value} (${metric.better})` },
        make("dt", {}, metric.name),
        make("dd", {}, FuseLab.shortenNumber(value), best ? make("span", { class: "unseen" }, " best") : null));
    }));
  }

  function makeCompared(scene) {
    const pair = compared();
    const pictures = pair.map((column) => scene.pictures[column.index]);
    if (pictures.some((picture) => !picture || picture.width === 0)) return null;
    const thumbnails = pictures.map((picture, side) =>
      FuseLab.makeThumbnail(picture, `${pair[side].title} of ${scene.name}`));
    const comparison = FuseLab.makeComparison(...thumbnails, pair.map((column) => column.title), { mode: state.compare.mode });
    comparison.classList.add("picture");
    const open = make("button", {
      type: "button", class: "open",
      onclick: () => viewer.open(scene, { view: state.compare.mode, left: pair[0].label, right: pair[1].label }),
    }, "Open at full size");
    return make("figure", { class: "compared" }, comparison, make("figcaption", {}, open));
  }

  function makeBody(scene) {
    const figures = FuseLab.makeFigures(scene, getColumns(), makeChips);
    if (state.compare.mode) {
      figures.prepend(makeCompared(scene) ?? make("figure", {}, make("p", { class: "picture missing" }, "none")));
    }
    return figures;
  }

  function setColumns() {
    main.style.setProperty("--columns", FuseLab.countColumns(main.clientWidth, countShown()));
  }

  const rows = new FuseLab.Rows(main, {
    makeHead: FuseLab.makeHead,
    makeBody,
    measurePictures: () => FuseLab.measurePictures(main, countShown()),
  });

  // The viewer and the table

  const viewer = new FuseLab.Viewer({
    columns, getColumns, getScenes: () => scenes,
    describe(scene, column) {
      const metric = toolbar.findMetric() ?? metrics.find((each) => each.leading);
      const value = scene.scores[methods.indexOf(column.method)]?.[metric?.index];
      return value === undefined || column.kind !== "fused" ? null
        : make("span", { class: "score" }, `${metric.name} ${FuseLab.formatNumber(value)}`);
    },
    onclose: (scene, label) => FuseLab.returnToRow(rows, scene, label),
  });

  const table = document.getElementById("summary");
  const lines = new Map(Array.from(table?.tBodies[0].rows ?? [], (line) => [line.dataset.method, line]));
  for (const head of table?.querySelectorAll("th[data-metric]") ?? []) {
    const name = head.dataset.metric;
    head.replaceChildren(make("button", { type: "button", onclick: () => sortBy(name) }, head.textContent));
  }

  // Best first, worst first, and back to the given order.
  function sortBy(name) {
    if (state.sort !== name) toolbar.change({ sort: name, reverse: false });
    else if (!state.reverse) toolbar.change({ reverse: true });
    else toolbar.change({ sort: "", reverse: false });
  }

  function sortTable() {
    const metric = toolbar.findMetric();
    for (const head of table?.querySelectorAll("th[data-metric]") ?? []) {
      const chosen = head.dataset.metric === metric?.name;
      // Up: larger values are better, and so the first ones are the largest.
      const falling = metric && (metric.direction === "up") !== state.reverse;
      if (chosen) head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    const order = methods.map((method, index) => index);
    if (metric) {
      const lossOf = (index) => FuseLab.findLoss(metric, gallery.means[index][metric.index]);
      order.sort((one, other) => FuseLab.compareLosses(lossOf(one), lossOf(other), state.reverse ? -1 : 1));
    }
    for (const index of order) lines.get(methods[index])?.parentNode.append(lines.get(methods[index]));
  }

  // The bar

  const nothing = make("p", { class: "nothing", hidden: true });
  const toolbar = new FuseLab.Toolbar(gallery, state, (what) => {
    setColumns();
    if (what === "order") showScenes(true);
    else rows.refresh();
  });
  main.before(toolbar.element);
  main.after(nothing);

  function showScenes(scroll = false) {
    const chosen = FuseLab.chooseScenes(gallery, state);
    scenes = chosen.scenes;
    rows.show(scenes);
    if (emphasised !== state.sort) rows.refresh(); // their chips
    emphasised = state.sort;
    sortTable();
    toolbar.tellStatus(scenes.length, chosen.found);
    nothing.hidden = scenes.length > 0;
    nothing.textContent = gallery.scenes.length ? "No name contains this." : "There are no scenes.";
    if (scroll && toolbar.element.getBoundingClientRect().top <= 0) main.scrollIntoView();
  }

  new ResizeObserver(setColumns).observe(main);
  const command = document.getElementById("command");
  command?.append(FuseLab.makeButton("Copy", "copy the command line", (event) => {
    if (FuseLab.copyText(command.querySelector("code").textContent)) event.currentTarget.textContent = "Copied";
  }));
  FuseLab.keepClear(toolbar.element);
  setColumns();
  showScenes();
  FuseLab.openOnClick(main, rows, viewer);
  FuseLab.followAddress({
    scenes: gallery.scenes, rows, viewer,
    show(scene) { // a filter does not hide what a link names
      if (scenes.includes(scene)) return;
      toolbar.filter.value = "";
      toolbar.change({ filter: "", count: undefined });
    },
  });
})();
