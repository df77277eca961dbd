// Sketches in a grid, enlarged by a click or Enter, or, as checkboxes, selected by click, Space or Shift-click. The selection
// is kept here, so that clicks do not wait for the server; the epoch says which of the server's selections it continues.

const kept = new WeakMap(); // state by element

export default function ({ data, parentElement, setStateValue }) {
  let grid = kept.get(parentElement);
  if (!grid) kept.set(parentElement, (grid = create(parentElement)));
  grid.tell = (ids) => setStateValue("selected", { epoch: data.epoch, ids });
  if (grid.html !== data.html) {
    fill(grid, data.html);
    grid.last = null;
  }
  if (grid.epoch !== data.epoch) {
    grid.epoch = data.epoch;
    grid.selected = new Set(data.selected);
  }
  show(grid);
  if (grid.place !== undefined && grid.place !== data.place && grid.root.getBoundingClientRect().top < 0) {
    grid.root.scrollIntoView({ block: "start" });
  }
  grid.place = data.place;
  if (grid.asking && !data.asking) focusAfterDialog(grid);
  grid.asking = data.asking;
}

function create(parent) {
  const [root, large] = [parent.querySelector(".gallery"), parent.querySelector(".large")];
  const grid = { root, large, selected: new Set() };
  root.addEventListener("click", (event) => {
    const tile = event.target.closest("figure")?.querySelector("[data-id]");
    if (tile) press(grid, tile, event.shiftKey);
  });
  root.addEventListener("focusin", (event) => (grid.focused = event.target.closest("[data-id]")?.dataset.id));
  root.addEventListener("keydown", (event) => {
    const tile = event.target.closest("[data-id]");
    if (!tile) return;
    const neighbour = around(grid, tile, event.key);
    if (neighbour) neighbour.focus();
    else if (event.key === " " || event.key === "Enter") press(grid, tile, event.shiftKey);
    else return;
    event.preventDefault();
  });
  root.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault()); // selects no text
  large.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) turn(grid, step);
    event.stopPropagation(); // no shortcut of the page's
  });
  large.addEventListener("click", (event) => event.target === large && large.close()); // beside it
  large.addEventListener("close", () => grid.open?.focus());
  large.querySelector(".close").addEventListener("click", () => large.close());
  large.querySelector(".previous").addEventListener("click", () => turn(grid, -1));
  large.querySelector(".next").addEventListener("click", () => turn(grid, 1));
  return grid;
}

// The keyboard's focus stays on its sketch, or goes to the next one that is still there.
function fill(grid, html) {
  const before = all(grid).map((tile) => tile.dataset.id);
  const at = Math.max(before.indexOf(grid.focused), 0);
  const here = grid.root.contains(document.activeElement);
  grid.root.innerHTML = grid.html = html;
  const now = new Set(all(grid).map((tile) => tile.dataset.id));
  grid.focused = [...before.slice(at), ...before.slice(0, at).reverse()].find((id) => now.has(id));
  if (here) focus(grid);
}

function focus(grid) {
  const tiles = all(grid);
  (tiles.find((tile) => tile.dataset.id === grid.focused) ?? tiles[0])?.focus({ preventScroll: true });
}

// A dialog that is closed by a button in it leaves the focus nowhere. While it closes, nothing else can have it.
function focusAfterDialog(grid) {
  const watcher = new MutationObserver(watch);
  watcher.observe(document.body, { attributes: true, childList: true, subtree: true });
  watch();

  function watch() {
    if (document.querySelector(".stDialog")) return;
    if (document.activeElement === document.body) focus(grid);
    if (document.activeElement !== document.body || !all(grid).length) watcher.disconnect();
  }
}

const all = (grid) => [...grid.root.querySelectorAll("[data-id]")];

// the tile in an arrow key's direction
function around(grid, tile, key) {
  const tiles = all(grid);
  const top = (each) => each.getBoundingClientRect().top;
  const columns = tiles.filter((each) => top(each) === top(tiles[0])).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  return step && tiles[tiles.indexOf(tile) + step];
}

function press(grid, tile, range) {
  if (tile.role === "checkbox") toggle(grid, tile, range);
  else open(grid, tile);
}

// --- one of them, large ---

function open(grid, tile) {
  const { large } = grid;
  grid.open = tile;
  const picture = large.querySelector("img");
  picture.src = tile.querySelector("img").src;
  picture.alt = tile.getAttribute("aria-label");
  large.querySelector("dl").replaceChildren(
    ...JSON.parse(tile.dataset.facts).map(([name, value]) => {
      const [row, dt, dd] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
      [dt.textContent, dd.textContent] = [name, value];
      row.append(dt, dd);
      return row;
    }),
  );
  const place = all(grid).indexOf(tile);
  large.querySelector(".previous").disabled = place === 0;
  large.querySelector(".next").disabled = place === all(grid).length - 1;
  if (!large.open) large.showModal(); // Escape closes it
}

function turn(grid, step) {
  const tiles = all(grid);
  const next = tiles[tiles.indexOf(grid.open) + step];
  if (next) open(grid, next);
}

// --- some of them, selected ---

function toggle(grid, tile, range) {
  const tiles = all(grid);
  const [here, last] = [tiles.indexOf(tile), tiles.findIndex((each) => each.dataset.id === grid.last)];
  const on = !grid.selected.has(tile.dataset.id);
  const from = range && last >= 0 ? Math.min(here, last) : here;
  const to = range && last >= 0 ? Math.max(here, last) : here;
  for (const { dataset } of tiles.slice(from, to + 1)) {
    if (on) grid.selected.add(dataset.id);
    else grid.selected.delete(dataset.id);
  }
  grid.last = tile.dataset.id;
  tile.focus({ preventScroll: true });
  show(grid);
  grid.tell([...grid.selected]);
}

function show(grid) {
  for (const tile of grid.root.querySelectorAll('[role="checkbox"]')) {
    tile.setAttribute("aria-checked", grid.selected.has(tile.dataset.id));
  }
}
