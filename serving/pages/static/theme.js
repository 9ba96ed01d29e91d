"use strict";
// Inside Airflow's frame the page follows the theme that was chosen there; alone it follows the system (onemap.css).
(() => {
  const root = document.documentElement;
  let around = null;
  try { around = window.parent !== window ? window.parent.document.documentElement : null; } catch { /* another origin: alone */ }
  if (!around) return;
  const follow = () => {
    const theme = around.classList.contains("dark") ? "dark" : around.classList.contains("light") ? "light" : "";
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    root.dispatchEvent(new Event("theme"));
  };
  follow();
  new MutationObserver(follow).observe(around, { attributes: true, attributeFilter: ["class", "data-theme", "style"] });
})();
