"use strict";
// The page works without this: the rest of a long timeline, and the way back.
const more = document.getElementById("more");
if (more) more.addEventListener("click", () => {
  const rest = document.querySelectorAll("[data-more]");
  rest.forEach((row) => { row.hidden = false; });
  more.remove();
  if (rest[0]) { rest[0].tabIndex = -1; rest[0].focus(); }
});
// back to the list as it was left
const back = document.querySelector("[data-back]");
try {
  const left = sessionStorage.getItem("onemap-list");
  if (back && left) back.href += left;
} catch { /* no storage: the plain address */ }
