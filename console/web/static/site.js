"use strict";
// What every page does: the menu on phones, keys that lead elsewhere, and parts that the server keeps up to date.
(() => {
  document.querySelector(".burger")?.addEventListener("click", (event) => {
    const open = document.querySelector(".side").classList.toggle("open");
    event.currentTarget.setAttribute("aria-expanded", String(open));
  });

  const help = document.getElementById("keys");
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || help?.open) return;
    if (event.key === "?" && help) { event.preventDefault(); help.showModal(); }
    const link = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); link.click(); }
  });
  document.querySelector("[data-opens]")?.addEventListener("click", (event) => document.getElementById(event.currentTarget.dataset.opens).showModal());
  help?.querySelector("button")?.addEventListener("click", () => help.close());

  const live = document.querySelector("[data-live]");
  if (live) {
    const lamp = document.querySelector(".live");
    const source = new EventSource(live.dataset.live);
    source.addEventListener("open", () => lamp?.classList.add("on"));
    source.addEventListener("error", () => lamp?.classList.remove("on"));
    source.addEventListener("changed", () => document.body.dispatchEvent(new Event("changed")));
  }
})();
