// Full size on click, for every link with data-label inside an element with data-scene.
// Left and right go through the images, up and down through the scenes; Escape closes.
(function () {
  "use strict";

  let current = null;
  const dialog = document.createElement("dialog");
  dialog.className = "lightbox";
  dialog.tabIndex = -1;
  const image = document.createElement("img");
  const caption = document.createElement("p");
  const previous = makeButton("‹", "previous image", () => move(-1, 0));
  const next = makeButton("›", "next image", () => move(1, 0));
  const close = makeButton("×", "close", () => dialog.close());
  close.className = "close";
  dialog.append(image, caption, previous, next, close);
  document.body.append(dialog);

  function makeButton(text, title, action) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.title = title;
    button.setAttribute("aria-label", title);
    button.addEventListener("click", action);
    return button;
  }

  const scenesShown = () => Array.from(document.querySelectorAll("[data-scene]:not([hidden])"));
  const linksOf = (scene) => Array.from(scene.querySelectorAll("a[data-label]"));

  function show(link) {
    current = link;
    const scene = link.closest("[data-scene]").dataset.scene;
    image.src = link.href;
    image.alt = `${link.dataset.label} of ${scene}`;
    caption.textContent = `${scene} · ${link.dataset.label}`;
    if (dialog.open) return;
    dialog.showModal();
    dialog.focus(); // not its first button, which would look chosen
  }

  function move(images, scenes) {
    const shown = scenesShown();
    const at = shown.indexOf(current.closest("[data-scene]"));
    if (scenes) {
      const scene = shown[at + scenes];
      const same = scene && linksOf(scene).find((link) => link.dataset.label === current.dataset.label);
      if (same) show(same);
      return;
    }
    const links = shown.flatMap(linksOf);
    const link = links[links.indexOf(current) + images];
    if (link) show(link);
  }

  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  dialog.addEventListener("keydown", (event) => {
    if (!(event.key in steps)) return;
    event.preventDefault();
    move(...steps[event.key]);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    image.removeAttribute("src");
    current.focus();
    current.scrollIntoView({ block: "nearest" });
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-label]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return; // these open a tab or a window
    event.preventDefault();
    show(link);
  });
})();
