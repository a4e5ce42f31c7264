// Keys (U21), live progress of sweeps (U17) and copying. Every page works without it.
"use strict";
(() => {
  const typing = (node) => node.closest("input, select, textarea, [contenteditable]");
  const places = { f: "/", i: "/findings", r: "/rules", b: "/baselines" };
  let led = false;
  // In a review: the change in which the focus is, or the one its address names.
  const reviewed = (review, from, key) => {
    const change = from.closest(".review-change") || review.querySelector(".review-change:target") || review.querySelector(".review-change");
    const group = from.closest(".group") || (change && change.closest(".group"));
    const open = (summary) => {
      if (!summary) return;
      if (summary.parentElement.tagName !== "DETAILS") { summary.click(); return; }
      summary.parentElement.open = true;
      (summary.parentElement.querySelector("textarea") || summary.parentElement.querySelector("button")).focus();
    };
    if ("ynu".includes(key)) open(change && change.querySelector(`[data-do="${key}"]`));
    else if (key === "Y") open(group && group.querySelector(".group-actions [data-do=Y]"));
    else if (key === "d") { const whole = change && change.querySelector("details.whole"); if (whole) whole.open = !whole.open; }
    else if (key === "]" || key === "[") {
      const groups = [...review.querySelectorAll(".group")], at = groups.indexOf(from.closest(".group"));
      const next = groups[key === "]" ? at + 1 : Math.max(0, at - 1)];
      if (next) { next.open = true; (next.querySelector(".review-change") || next.firstElementChild).focus(); }
    } else return false;
    return true;
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const key = event.key;
    if (led && places[key]) location.assign(places[key]);
    const was = led;
    led = key === "g";
    if (was || led) return;
    if (key === "/") { event.preventDefault(); document.getElementById("find").focus(); }
    if (key === "?") location.assign("/keyboard");
    const act = key === "c" ? document.getElementById("c") : document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (act && !event.target.closest("[data-list]")) { event.preventDefault(); key === "c" ? act.focus() : act.click(); }
    const review = event.target.closest(".review");
    if (review && reviewed(review, event.target, key)) { event.preventDefault(); return; }
    if (key === "d" && !review) { const whole = document.querySelector("details.whole"); if (whole) { whole.open = !whole.open; whole.scrollIntoView({ block: "nearest" }); } }
    const list = event.target.closest("[data-list]");
    if (!list || (key !== "j" && key !== "k")) return;
    const links = [...list.querySelectorAll("a.sentence, th a, li > a")];
    const at = links.findIndex((each) => each === event.target || each.closest("tr, li") === event.target.closest("tr, li"));
    const next = links[at + (key === "j" ? 1 : -1)];
    if (next) next.focus();
  });

  const watch = () => {
    const source = document.querySelector("[data-events]");
    if (!source || !window.EventSource) return;
    const events = new EventSource(source.dataset.events);
    const cells = new Map([...document.querySelectorAll("[data-target]")].map((each) => [each.dataset.target, each]));
    events.onmessage = (event) => {
      const told = JSON.parse(event.data);
      for (const [name, words] of Object.entries(told)) {
        const cell = cells.get(name) || (source.classList.contains("running") ? source : null);
        if (cell) cell.textContent = cell === source ? `Reading ${words}` : words;
      }
    };
    events.addEventListener("done", () => {
      events.close();
      for (const cell of [source, ...cells.values()]) {
        if (!cell.classList.contains("running")) continue;
        const link = document.createElement("a");
        link.href = location.href; link.textContent = "Read now · Show";
        cell.replaceChildren(link);
      }
    });
  };

  const copying = () => {
    for (const text of document.querySelectorAll("[data-copy]")) {
      if (!navigator.clipboard || text.nextElementSibling) continue;
      const button = document.createElement("button"), said = document.createElement("span");
      button.type = "button"; button.className = "button slim"; button.textContent = "Copy";
      said.className = "small"; said.setAttribute("aria-live", "polite");
      button.addEventListener("click", () => navigator.clipboard.writeText(text.value).then(() => { said.textContent = "Copied."; }));
      text.after(button, said);
    }
  };
  document.addEventListener("DOMContentLoaded", () => { watch(); copying(); });
  document.addEventListener("htmx:afterSwap", copying);
})();
