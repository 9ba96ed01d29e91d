"use strict";
// Filters without reloading (the address keeps the state), and the map. The page works without this, but for the map.

const form = document.getElementById("filters");
const remember = () => { try { sessionStorage.setItem("onemap-list", location.search); } catch { /* no storage */ } };
let asked = 0;

/** Take what the address asks for from the server into the page. */
async function show(search, push) {
  const mine = ++asked;
  const answer = await fetch("./" + search, { headers: { "X-Partial": "1" } });
  if (!answer.ok) { location.href = "./" + search; return; }
  const text = await answer.text();
  if (mine !== asked) return; // a later question has been asked
  const parts = new DOMParser().parseFromString(text, "text/html");
  for (const part of parts.querySelectorAll("[data-part]")) {
    document.getElementById(part.dataset.part).replaceChildren(...part.childNodes);
  }
  if (push) history.pushState(null, "", "./" + search);
  remember();
  map.load(search);
}

function searchOf(form) {
  const pairs = [...new FormData(form)].filter(([, value]) => value);
  return pairs.length ? "?" + new URLSearchParams(pairs) : "";
}

function fill(search) {
  const given = new URLSearchParams(search);
  for (const field of form.elements) if (field.name) field.value = given.get(field.name) || "";
}

form.addEventListener("submit", (event) => { event.preventDefault(); show(searchOf(form), true); });
form.addEventListener("change", (event) => { if (event.target.tagName === "SELECT") show(searchOf(form), true); });
let typing;
form.elements.q.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => show(searchOf(form), true), 300);
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-live]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const search = new URL(link.href).search;
  fill(search);
  show(search, true);
});
window.addEventListener("popstate", () => { fill(location.search); show(location.search, false); });

// -- the map: one canvas; towns, red lines, projects -------------------------------------------------------------------

const map = (() => {
  const frame = document.getElementById("map");
  const canvas = frame.querySelector("canvas");
  const pen = canvas.getContext("2d");
  const popup = document.getElementById("popup");
  const TONES = ["double", "red", "yellow", "blue", "green", "none"];
  // longitude, latitude of the middle; degrees from north to south: the whole city, whatever the shape of the frame
  const home = () => ({ x: 113.895, y: 22.905, span: Math.max(0.54, 0.76 * 0.92 * (height || 1) / (width || 1)) });
  const at = { x: 113.895, y: 22.905, span: 0.6 };
  let points = { code: [], x: [], y: [], light: [], stage: [], found: [] };
  let towns = [], lines = [], wanted = 0, picked = null, dirty = false, width = 0, height = 0;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const squeeze = () => Math.cos(at.y * Math.PI / 180);
  const scale = () => height / at.span;
  const px = (x) => width / 2 + (x - at.x) * squeeze() * scale();
  const py = (y) => height / 2 - (y - at.y) * scale();
  const lon = (x) => at.x + (x - width / 2) / squeeze() / scale();
  const lat = (y) => at.y - (y - height / 2) / scale();

  function draw() { if (!dirty) { dirty = true; requestAnimationFrame(paint); } }

  function trace(rings) {
    pen.beginPath();
    for (const ring of rings) {
      for (let n = 0; n < ring.length; n += 2) n ? pen.lineTo(px(ring[n]), py(ring[n + 1])) : pen.moveTo(px(ring[0]), py(ring[1]));
      pen.closePath();
    }
  }

  function paint() {
    dirty = false;
    const dense = window.devicePixelRatio || 1;
    width = frame.clientWidth; height = frame.clientHeight;
    if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
      canvas.width = Math.round(width * dense); canvas.height = Math.round(height * dense);
    }
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.lineJoin = "round";
    pen.fillStyle = colour("townfill"); pen.strokeStyle = colour("townline"); pen.lineWidth = 1;
    for (const town of towns) { trace(town.rings); pen.fill("evenodd"); pen.stroke(); }
    pen.fillStyle = colour("redfill"); pen.strokeStyle = colour("red"); pen.lineWidth = 1.5;
    for (const line of lines) { trace(line.rings); pen.fill("evenodd"); pen.stroke(); }
    const inks = TONES.map(colour), rim = colour("card"), ink = colour("ink");
    const radius = Math.min(9, (points.code.length > 2000 ? 2.6 : points.code.length > 300 ? 3.6 : 5) * Math.sqrt(0.6 / at.span) ** 0.7);
    for (let n = points.code.length - 1; n >= 0; n--) { // the worst last, on top
      const x = px(points.x[n] / 1e5), y = py(points.y[n] / 1e5);
      if (x < -12 || y < -12 || x > width + 12 || y > height + 12) continue;
      pen.beginPath(); pen.arc(x, y, radius, 0, 7); pen.fillStyle = inks[points.light[n]]; pen.fill();
      pen.lineWidth = points.found[n] ? 1.6 : 0.8; pen.strokeStyle = points.found[n] ? ink : rim; pen.stroke();
    }
    // names above the dots, with a rim of the ground's colour
    pen.fillStyle = colour("ink"); pen.strokeStyle = colour("townfill"); pen.lineWidth = 3; pen.font = "12px " + getComputedStyle(document.body).fontFamily; pen.textAlign = "center";
    if (width > 420 || at.span < 0.4) for (const town of towns) {
      pen.strokeText(town.name, px(town.at[0]), py(town.at[1])); pen.fillText(town.name, px(town.at[0]), py(town.at[1]));
    }
    if (picked !== null && points.code[picked]) {
      pen.beginPath(); pen.arc(px(points.x[picked] / 1e5), py(points.y[picked] / 1e5), radius + 5, 0, 7);
      pen.lineWidth = 3; pen.strokeStyle = colour("focus"); pen.stroke();
    }
    paintScale();
  }

  function paintScale() {
    const metre = scale() / 111195;
    const length = [20000, 10000, 5000, 2000, 1000, 500, 200, 100, 50].find((n) => n * metre <= 110) || 20;
    const right = width - 14, y = height - 14;
    pen.strokeStyle = pen.fillStyle = colour("ink"); pen.lineWidth = 1.5;
    pen.beginPath(); pen.moveTo(right - length * metre, y - 4); pen.lineTo(right - length * metre, y); pen.lineTo(right, y); pen.lineTo(right, y - 4); pen.stroke();
    pen.textAlign = "right"; pen.fillText(length >= 1000 ? length / 1000 + " km" : length + " m", right, y - 8);
  }

  let looking;
  function moved() {
    draw();
    clearTimeout(looking);
    looking = setTimeout(redlines, 250);
  }

  async function redlines() {
    if (at.span > 0.06) { if (lines.length) { lines = []; draw(); } return; }
    const box = [lon(0), lat(height), lon(width), lat(0)].map((n) => n.toFixed(5)).join(",");
    const answer = await fetch("data/redlines?box=" + box);
    if (answer.ok) { lines = await answer.json(); draw(); }
  }

  function zoom(factor, x = width / 2, y = height / 2) {
    const held = [lon(x), lat(y)];
    at.span = Math.min(1.2, Math.max(0.002, at.span * factor));
    at.x += held[0] - lon(x); at.y += held[1] - lat(y);
    moved();
  }

  function nearest(x, y) {
    let best = null, least = 16 * 16;
    for (let n = points.code.length - 1; n >= 0; n--) {
      const d = (px(points.x[n] / 1e5) - x) ** 2 + (py(points.y[n] / 1e5) - y) ** 2;
      if (d <= least) { least = d; best = n; }
    }
    return best;
  }

  async function pick(n) {
    picked = n;
    draw();
    popup.hidden = n === null;
    if (n === null) return;
    const answer = await fetch("data/brief?code=" + encodeURIComponent(points.code[n]));
    if (!answer.ok || picked !== n) return;
    const told = await answer.json();
    const line = (text, name) => { const p = document.createElement("p"); p.textContent = text; if (name) p.className = name; return p; };
    const link = document.createElement("a");
    link.href = "project/" + encodeURIComponent(told.code); link.textContent = told.name || told.code;
    const first = document.createElement("p"); first.append(link);
    const rows = [first, line([told.code, told.town].filter(Boolean).join(" · "), "soft"), line("阶段 " + told.stage + "，灯 " + told.light)];
    if (told.item && told.stage !== "已完成") rows.push(line("当前事项 " + told.item + "，" + told.turn + (told.turn.includes("企业") ? "" : "（" + (told.department || "部门未定") + "）")));
    if (told.late || told.findings) rows.push(line("在办超期 " + told.late + " 件，发现 " + told.findings + " 条", "bad"));
    popup.replaceChildren(...rows);
  }

  const held = new Map();
  let far = 0;
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); held.set(event.pointerId, event); far = 0; });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const others = [...held.values()].filter((e) => e.pointerId !== event.pointerId);
    if (others.length === 1) {
      const gap = (e) => Math.hypot(e.clientX - others[0].clientX, e.clientY - others[0].clientY) || 1;
      const corner = canvas.getBoundingClientRect();
      zoom(gap(before) / gap(event), (event.clientX + others[0].clientX) / 2 - corner.left, (event.clientY + others[0].clientY) / 2 - corner.top);
    } else {
      at.x -= (event.clientX - before.clientX) / squeeze() / scale(); at.y += (event.clientY - before.clientY) / scale();
      moved();
    }
    far += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
    held.set(event.pointerId, event);
  });
  const release = (event) => {
    if (held.delete(event.pointerId) && event.type === "pointerup" && far < 6) {
      const corner = canvas.getBoundingClientRect();
      pick(nearest(event.clientX - corner.left, event.clientY - corner.top));
    }
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const corner = canvas.getBoundingClientRect();
    zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, event.clientX - corner.left, event.clientY - corner.top);
  }, { passive: false });
  frame.addEventListener("keydown", (event) => {
    if (event.target !== frame) return;
    const step = at.span / 8;
    const keys = { ArrowUp: () => { at.y += step; }, ArrowDown: () => { at.y -= step; }, ArrowLeft: () => { at.x -= step; }, ArrowRight: () => { at.x += step; }, "+": () => zoom(1 / 1.4), "=": () => zoom(1 / 1.4), "-": () => zoom(1.4), Home: () => Object.assign(at, home()), Escape: () => pick(null) };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); moved(); }
  });
  frame.querySelector(".zoom").addEventListener("click", (event) => {
    const how = event.target.dataset.zoom;
    if (how === "in") zoom(1 / 1.6); else if (how === "out") zoom(1.6); else if (how === "all") { Object.assign(at, home()); moved(); }
  });
  new ResizeObserver(draw).observe(frame);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.documentElement.addEventListener("theme", draw);

  function focusTown(search) {
    const town = towns.find((t) => t.code === new URLSearchParams(search).get("town"));
    if (!town) { Object.assign(at, home()); return; }
    const flat = town.rings.flat(), xs = flat.filter((_, n) => n % 2 === 0), ys = flat.filter((_, n) => n % 2);
    const [w, e, s, n] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    at.x = (w + e) / 2; at.y = (s + n) / 2;
    at.span = 1.15 * Math.max(n - s, (e - w) * squeeze() * (height || 1) / (width || 1));
  }

  let town;
  return {
    async load(search) {
      const mine = ++wanted;
      if (!towns.length) { const answer = await fetch("data/towns"); if (answer.ok) towns = await answer.json(); }
      const answer = await fetch("data/points" + search);
      if (!answer.ok || mine !== wanted) return;
      points = await answer.json();
      picked = null; popup.hidden = true;
      width = frame.clientWidth; height = frame.clientHeight;
      const now = new URLSearchParams(search).get("town");
      if (now !== town) { town = now; focusTown(search); } // undefined at first
      frame.dataset.points = points.code.length;
      moved();
    },
  };
})();

remember();
map.load(location.search);
