"use strict";
// Airflow shows the pages in a frame that may neither print, nor open windows, nor leave: so the document around it is asked to.

/** Open an address of ours in a tab of its own. */
function openOutside(address) {
  const around = window.parent.document;
  const link = around.createElement("a");
  link.href = address;
  link.target = "_blank";
  link.rel = "noopener";
  around.body.append(link);
  link.click();
  link.remove();
}

// printing: Airflow's frame may not, so the page is opened beside it
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-print]")) return;
  if (window.parent === window) window.print();
  else openOutside(location.href.split("#")[0] + "#print");
});
if (location.hash === "#print") window.addEventListener("load", () => window.print());

// a place outside of our pages (Airflow's own, another system's) is opened beside them
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-outside]");
  if (!link || window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  openOutside(link.href);
});

// on a phone the navigation is one line that scrolls: where one is stands in it
document.querySelector(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center", behavior: "instant" });
