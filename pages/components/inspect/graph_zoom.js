// Zoom and fit for a Graphviz drawing: its viewBox is what one sees of it. Dragging moves it.

const PX = 4 / 3; // pixels of a point, the unit of the drawing, at 100 %
const MOST = 4;

export default function ({ data, parentElement }) {
  const place = document.querySelector(`.st-key-${data.place}`);
  let whole, seen, drawing, isMoved; // until a person moves it, it keeps to its left end

  const size = () => ({ width: drawing.clientWidth || 1, height: drawing.clientHeight || 1 });
  const show = () => {
    const { width, height } = size();
    const [w, h] = [width / PX / seen.scale, height / PX / seen.scale];
    const box = `${seen.x - w / 2} ${seen.y - h / 2} ${w} ${h}`;
    drawing.dataset.seen = box;
    drawing.setAttribute("viewBox", box);
  };
  const fitting = () => {
    const { width, height } = size();
    return Math.min(1, width / PX / (whole.width + 8), height / PX / (whole.height + 8));
  };
  const middle = () => ({ x: whole.x + whole.width / 2, y: whole.y + whole.height / 2 });
  const look = (at) => {
    seen = { ...seen, ...at };
    isMoved = true;
    show();
  };
  const fit = () => look({ ...middle(), scale: fitting() });
  const begin = () => {
    const half = size().width / PX / 2 - 8; // at 100 %, from the image on
    look({ ...middle(), x: Math.min(middle().x, whole.x + half), scale: 1 });
    isMoved = false;
  };
  const zoom = (by) => look({ scale: Math.min(MOST, Math.max(fitting() / 2, seen.scale * by)) });
  const acts = { in: () => zoom(1.3), out: () => zoom(1 / 1.3), fit, begin };

  // Graphviz draws late, and anew when another layer is chosen: what one sees stays.
  const take = () => {
    const found = place?.querySelector("svg:not([data-testid])");
    if (!found?.viewBox.baseVal || found.dataset.seen === found.getAttribute("viewBox")) return;
    const { x, y, width, height } = found.viewBox.baseVal;
    if (!width) return;
    const isNew = whole?.width !== width || whole?.height !== height;
    [drawing, whole] = [found, { x, y, width, height }];
    for (const side of ["width", "height"]) drawing.removeAttribute(side);
    if (isNew) acts.begin();
    else show();
  };
  const observer = new MutationObserver(take);
  const sizes = new ResizeObserver(() => drawing && (isMoved ? show() : begin()));
  if (place) {
    observer.observe(place, { subtree: true, childList: true, attributeFilter: ["viewBox"] });
    sizes.observe(place);
  }
  take();

  let from = null;
  const down = ({ clientX, clientY, target }) => {
    if (drawing?.contains(target)) from = { clientX, clientY, ...seen };
  };
  const move = ({ clientX, clientY }) => {
    if (!from) return;
    const by = PX * seen.scale;
    look({ x: from.x - (clientX - from.clientX) / by, y: from.y - (clientY - from.clientY) / by });
  };
  const up = () => (from = null);
  const wheel = (event) => {
    if (!event.ctrlKey || !drawing?.contains(event.target)) return; // a pinch is one too; else the page scrolls
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
  };
  const click = ({ target }) => drawing && acts[target.closest("button")?.dataset.act]?.();
  place?.addEventListener("pointerdown", down);
  place?.addEventListener("wheel", wheel, { passive: false });
  window.addEventListener("pointermove", move);
  window.addEventListener("pointerup", up);
  parentElement.addEventListener("click", click);
  return () => {
    observer.disconnect();
    sizes.disconnect();
    place?.removeEventListener("pointerdown", down);
    place?.removeEventListener("wheel", wheel);
    window.removeEventListener("pointermove", move);
    window.removeEventListener("pointerup", up);
    parentElement.removeEventListener("click", click);
  };
}
