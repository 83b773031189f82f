// The training page: reads the records that the run has appended to the page, draws curves and shows a row for each epoch.
(function () {
  "use strict";
  const { make, address } = FuseLab;
  const MOST_COLUMNS = 4; // in a line

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

  const box = document.getElementById("charts");
  const charts = new FuseLab.Charts(box);
  if (losses.length) {
    charts.add("Losses", losses, (record) => record.losses, { wide: true, height: 280 });
    charts.add("Learning rate", losses, (record) => ({ "learning rate": record.lr }), { colour: 5 });
  }
  const judged = [...new Set(scores.flatMap((record) => Object.keys(record.scores)))];
  judged.forEach((name, index) => {
    charts.add(`Validation ${name}`, scores, (record) => ({ [name]: record.scores[name] }), { colour: index });
  });
  if (charts.charts.length) {
    box.append(make("p", { class: "aside wide chart" },
      "Drag over a curve to zoom, double-click to see all of it, click a name to hide it."));
  }
  charts.draw();

  // Epochs, newest first

  const main = document.getElementById("scenes");
  const labels = [...new Set(epochs.flatMap((record) => Object.keys(record.files)))];
  const columns = labels.map((label, index) => ({ label, index, title: label, kind: label === "fused" ? "fused" : "source" }));
  const counted = (record) => `${record.total_iters.toLocaleString("en")} images, ${record.step.toLocaleString("en")} updates`;
  const scenes = epochs.map((record) => ({
    name: `Epoch ${record.epoch}`,
    note: counted(record),
    pictures: labels.map((label) => {
      const file = record.files[label];
      return file ? { file, thumbnail: file } : null; // small enough to be their own thumbnails
    }),
  }));
  const columnsOf = (scene) => columns.filter((column) => scene.pictures[column.index]);
  main.style.setProperty("--columns", Math.max(1, Math.min(MOST_COLUMNS, labels.length)));

  const rows = new FuseLab.Rows(main, {
    makeHead(scene) {
      const head = FuseLab.makeHead(scene);
      head.insertBefore(make("span", { class: "aside" }, scene.note, " "), head.lastElementChild);
      return head;
    },
    makeBody: (scene) => FuseLab.makeFigures(scene, columnsOf(scene)),
    measurePictures() {
      const measure = FuseLab.measurePictures(main, Math.min(MOST_COLUMNS, labels.length));
      return (scene) => measure(scene) * Math.ceil(columnsOf(scene).length / MOST_COLUMNS);
    },
  });
  const viewer = new FuseLab.Viewer({
    columns, getColumns: () => columns, getScenes: () => scenes,
    onclose: (scene, label) => FuseLab.returnToRow(rows, scene, label),
  });
  FuseLab.keepClear(document.querySelector(".bar"));
  rows.show(scenes);
  const probe = make("img"); // the records do not hold the pictures' size
  probe.addEventListener("load", () => {
    for (const scene of scenes) scene.ratio = Math.min(1.6, probe.naturalHeight / probe.naturalWidth);
    rows.refresh();
  });
  const first = scenes[0]?.pictures.find(Boolean);
  if (first) probe.src = FuseLab.toUrl(first.file);
  FuseLab.openOnClick(main, rows, viewer);
  FuseLab.followAddress({ scenes, rows, viewer, show: () => {} });

  // Status and refreshing

  const last = records[records.length - 1];
  document.getElementById("status").value = last ? `epoch ${last.epoch}, ${counted(last)}` : "";
  document.getElementById("nothing").hidden = records.length > 0;

  const refresh = document.getElementById("refresh");
  refresh.checked = address.read().refresh === "on"; // the address remembers it over a reload
  let timer = 0;
  function schedule() {
    clearTimeout(timer);
    if (refresh.checked) timer = setTimeout(() => (document.querySelector("dialog[open]") ? schedule() : location.reload()), 30000);
  }
  refresh.addEventListener("change", () => {
    address.write({ refresh: refresh.checked ? "on" : null });
    schedule();
  });
  schedule();
})();
