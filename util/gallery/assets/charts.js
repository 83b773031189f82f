// Curves over the images that a training has seen: drag to zoom, double-click for all of it.
(function () {
  "use strict";
  const { make } = FuseLab;
  const COLOURS = ["#2f7fd6", "#d9822b", "#2f9e62", "#c2447a", "#8465d0", "#6f8795", "#b58a12", "#d2504a"];

  function formatNumber(value) {
    if (value === null || value === undefined) return "–";
    return Math.abs(value) >= 1e-3 || value === 0 ? String(Number(value.toPrecision(5))) : Number(value.toPrecision(4)).toExponential();
  }

  FuseLab.Charts = class {
    constructor(container) {
      this.container = container;
      this.charts = []; // {box, height, plot, draw}
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
      new ResizeObserver(() => {
        for (const { plot, box, height } of this.charts) plot?.setSize({ width: box.clientWidth, height });
      }).observe(container);
    }

    // points: records in order, with total_iters and epoch; read: record -> {name: value}.
    add(title, points, read, { wide = false, height = 170, colour = 0 } = {}) {
      const names = [...new Set(points.flatMap((point) => Object.keys(read(point))))];
      const box = make("div", { class: wide ? "chart wide" : "chart" }, make("h2", {}, title));
      this.container.append(box);
      const data = [
        points.map((point) => point.total_iters),
        ...names.map((name) => points.map((point) => read(point)[name] ?? null)),
      ];
      const draw = (previous) => new uPlot(makeOptions(names, points, previous, { width: box.clientWidth, height, colour }), data, box);
      this.charts.push({ box, height, plot: null, draw });
    }

    draw() {
      for (const chart of this.charts) {
        const previous = chart.plot;
        chart.plot = chart.draw(previous);
        if (previous) previous.destroy();
      }
    }
  };

  // previous: the plot that is replaced; what it hides stays hidden.
  function makeOptions(names, points, previous, { width, height, colour }) {
    const style = getComputedStyle(document.documentElement);
    const axis = {
      stroke: style.getPropertyValue("--muted"),
      grid: { stroke: style.getPropertyValue("--line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
      gap: 4,
    };
    const shown = previous ? previous.series.map((series) => series.show) : [];
    const describe = (plot, value, series, index) =>
      index === null || index === undefined ? "–" : `${value.toLocaleString("en")}, epoch ${points[index].epoch}`;
    return {
      width,
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
    };
  }
})();
