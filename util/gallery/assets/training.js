// The training page: reads the records that the run has appended to the page, draws curves and lists epochs.
(function () {
  "use strict";

  const EPOCHS_AT_A_TIME = 20;
  const COLOURS = ["#2f7fd6", "#d9822b", "#2f9e62", "#c2447a", "#8465d0", "#6f8795", "#b58a12", "#d2504a"];

  // A line that was torn by a kill, or is being written just now, is left out.
  function parseLines(text) {
    return text.split("\n").flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return [];
      }
    });
  }

  const records = parseLines(document.getElementById("records").textContent);
  const ofKind = (kind) => records.filter((record) => record.kind === kind);
  const losses = ofKind("losses");
  const scores = ofKind("scores");
  // The last record of an epoch stands for it.
  const epochs = [...new Map(ofKind("images").map((record) => [record.epoch, record])).values()];
  epochs.sort((one, other) => other.epoch - one.epoch);

  // Curves

  const charts = document.getElementById("charts");
  const plots = [];

  function makeElement(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function formatNumber(value) {
    if (value === null || value === undefined) return "–";
    return Math.abs(value) >= 1e-3 || value === 0 ? String(Number(value.toPrecision(5))) : Number(value.toPrecision(4)).toExponential();
  }

  // points: records in order; read: record -> {name: value}.
  function addChart(title, points, read, { wide = false, height = 170, colour = 0 } = {}) {
    const names = [...new Set(points.flatMap((point) => Object.keys(read(point))))];
    const box = makeElement("div", wide ? "chart wide" : "chart");
    box.append(makeElement("h2", "", title));
    charts.append(box);
    const data = [
      points.map((point) => point.total_iters),
      ...names.map((name) => points.map((point) => read(point)[name] ?? null)),
    ];
    const describe = (plot, value, series, index) =>
      index === null || index === undefined ? "–" : `${value.toLocaleString("en")}, epoch ${points[index].epoch}`;

    plots.push({ box, height, plot: null, draw(previous) {
      const style = getComputedStyle(document.documentElement);
      const axis = {
        stroke: style.getPropertyValue("--muted"),
        grid: { stroke: style.getPropertyValue("--line"), width: 1 },
        ticks: { show: false },
        font: "12px system-ui, sans-serif",
        gap: 4,
      };
      const shown = previous ? previous.series.map((series) => series.show) : [];
      return new uPlot({
        width: box.clientWidth,
        height,
        padding: [8, 30, 0, 0],
        scales: { x: { time: false } },
        cursor: { focus: { prox: 24 }, drag: { x: true, y: false } },
        axes: [
          { ...axis, size: 26, space: 80, values: (plot, ticks) => ticks.map((tick) => (tick % 1 ? "" : tick.toLocaleString("en"))) },
          { ...axis, size: 56, values: (plot, ticks) => ticks.map(formatNumber) },
        ],
        series: [
          { label: "images seen", value: describe },
          ...names.map((name, index) => ({
            label: name,
            show: shown[index + 1] ?? true,
            stroke: COLOURS[(colour + index) % COLOURS.length],
            width: 1.5,
            points: { show: points.length < 40, size: 5, fill: style.getPropertyValue("--ground") },
            value: (plot, value) => formatNumber(value),
          })),
        ],
      }, data, box);
    } });
  }

  function drawAll() {
    for (const entry of plots) {
      const previous = entry.plot;
      entry.plot = entry.draw(previous);
      if (previous) previous.destroy();
    }
  }

  if (losses.length) {
    addChart("Losses", losses, (record) => record.losses, { wide: true, height: 280 });
    addChart("Learning rate", losses, (record) => ({ "learning rate": record.lr }), { colour: 5 });
  }
  const judged = [...new Set(scores.flatMap((record) => Object.keys(record.scores)))];
  judged.forEach((name, index) => {
    addChart(`Validation ${name}`, scores, (record) => ({ [name]: record.scores[name] }), { colour: index });
  });
  if (plots.length) {
    charts.append(makeElement("p", "aside wide chart",
      "Drag over a curve to zoom, double-click to see all of it, click a name to hide it."));
  }
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  new ResizeObserver(() => {
    for (const { plot, box, height } of plots) plot.setSize({ width: box.clientWidth, height });
  }).observe(charts);

  // Epochs, newest first, some at a time

  const main = document.getElementById("epochs");
  const labels = [...new Set(epochs.flatMap((record) => Object.keys(record.files)))];
  main.style.setProperty("--columns", Math.max(1, Math.min(4, labels.length)));
  const toUrl = (path) => path.split("/").map(encodeURIComponent).join("/");

  function makeEpoch(record) {
    const scene = makeElement("section", "pair");
    scene.dataset.scene = `epoch ${record.epoch}`;
    const head = makeElement("h2", "", `Epoch ${record.epoch} `);
    head.append(makeElement("span", "aside",
      `${record.total_iters.toLocaleString("en")} images, ${record.step.toLocaleString("en")} updates`));
    const images = makeElement("div", "images");
    for (const [label, file] of Object.entries(record.files)) {
      const figure = makeElement("figure", label === "fused" ? "fused" : "source");
      const link = makeElement("a");
      link.href = toUrl(file);
      link.dataset.label = label;
      const image = makeElement("img");
      image.loading = "lazy";
      image.decoding = "async";
      image.alt = `${label} of epoch ${record.epoch}`;
      image.src = toUrl(file);
      link.append(image);
      figure.append(link, makeElement("figcaption", "", label));
      images.append(figure);
    }
    scene.append(head, images);
    return scene;
  }

  let listed = 0;
  function listMore() {
    main.append(...epochs.slice(listed, listed + EPOCHS_AT_A_TIME).map(makeEpoch));
    listed = Math.min(epochs.length, listed + EPOCHS_AT_A_TIME);
  }
  const end = makeElement("div");
  main.after(end);
  listMore();
  new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting) && listed < epochs.length) listMore();
  }, { rootMargin: "1500px" }).observe(end);

  // Status and refreshing

  const last = records[records.length - 1];
  document.getElementById("status").value = last
    ? `epoch ${last.epoch}, ${last.total_iters.toLocaleString("en")} images, ${last.step.toLocaleString("en")} updates`
    : "";
  document.getElementById("nothing").hidden = records.length > 0;

  const refresh = document.getElementById("refresh");
  refresh.checked = location.hash === "#refresh"; // the address remembers it over a reload
  let timer = 0;
  function schedule() {
    clearTimeout(timer);
    history.replaceState(null, "", refresh.checked ? "#refresh" : location.pathname);
    if (refresh.checked) timer = setTimeout(() => location.reload(), 30000);
  }
  refresh.addEventListener("change", schedule);
  if (refresh.checked) schedule();
})();
