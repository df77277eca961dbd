// Sketches in a grid, to be looked at, or selected by click, Space or Shift-click. What is selected is kept here, so that
// clicks need not wait for the server; an epoch says which selection of the server's they continue.

const kept = new WeakMap(); // what is shown, by the element it is shown in

export default function ({ data, parentElement, setStateValue }) {
  let grid = kept.get(parentElement);
  if (!grid) kept.set(parentElement, (grid = create(parentElement)));
  grid.tell = (ids) => setStateValue("selected", { epoch: data.epoch, ids });
  if (grid.html !== data.html) {
    grid.root.innerHTML = grid.html = data.html;
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
}

function create(parent) {
  const root = parent.querySelector(".gallery");
  const grid = { root, selected: new Set() };
  root.addEventListener("click", (event) => {
    const tile = event.target.closest("[data-id]");
    if (tile) toggle(grid, tile, event.shiftKey);
  });
  root.addEventListener("keydown", (event) => {
    const tile = event.target.closest("[data-id]");
    if (!tile || (event.key !== " " && event.key !== "Enter")) return;
    event.preventDefault();
    toggle(grid, tile, event.shiftKey);
  });
  root.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault()); // selects no text
  return grid;
}

function toggle(grid, tile, range) {
  const tiles = [...grid.root.querySelectorAll("[data-id]")];
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
  for (const tile of grid.root.querySelectorAll("[data-id]")) {
    tile.setAttribute("aria-checked", grid.selected.has(tile.dataset.id));
  }
}
