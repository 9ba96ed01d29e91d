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
