// The list of keys, which "?" opens.
(function () {
  "use strict";
  const { make, makeButton } = FuseLab;

  const sections = [];
  let dialog = null;

  // keys: [key, meaning] pairs.
  FuseLab.addHelp = (title, keys) => sections.push([title, keys]);

  FuseLab.openHelp = function () {
    dialog?.remove();
    const close = makeButton("×", "close the list of keys", () => dialog.close(), { class: "close" });
    dialog = make("dialog", { class: "help", "aria-label": "keys" },
      close,
      ...sections.map(([title, keys]) => make("section", {},
        make("h2", {}, title),
        make("dl", {}, ...keys.map(([key, meaning]) =>
          make("div", {}, make("dt", {}, ...key.split(" ").map((part) => make("kbd", {}, part))), make("dd", {}, meaning)))))));
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
  };

  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || FuseLab.isTyping(event) || dialog?.open) return;
    event.preventDefault();
    FuseLab.openHelp();
  });
})();
