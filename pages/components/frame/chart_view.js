// Draws a plotly figure and keeps drawing into the same chart: new points move in, and what the person
// zoomed stays. (Streamlit's own chart element is replaced whenever its figure changes.)
//
// A trace with meta "mark" is the point that the person moves. Plotly lays out a whole chart for any change of a
// point, so the mark is a drawing of our own above it that moves at once. Plotly draws the rest when the browser
// has time, and keeps an invisible trace under the mark that answers the mouse.

const CONFIG = { displayModeBar: false, scrollZoom: false, doubleClick: "reset", responsive: false };

const loading = {};

function library(address) {
  loading[address] ??= new Promise((resolve, reject) => {
    if (window.Plotly) return resolve(window.Plotly);
    const begun = document.querySelector(`script[src="${address}"]`); // see preload.js
    const script = begun ?? Object.assign(document.createElement("script"), { src: address });
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error(`${address} could not be loaded`)));
    if (!begun) document.head.append(script);
  });
  return loading[address];
}

function textOf(element) {
  const style = getComputedStyle(element);
  return style.getPropertyValue("--st-text-color").trim() || style.color;
}

// Whether the page wants the chart smaller than it is, for a while: too low for the axes' titles.
const isSmall = (element) => element.clientHeight < 0.7 * element.asked.data.height;

function themed(layout, element) {
  const style = getComputedStyle(element);
  const value = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const text = textOf(element);
  const background = value("--st-background-color", "#ffffff");
  const lines = value("--st-border-color-light", value("--st-border-color", "#8884"));
  const family = value("--st-font", style.fontFamily);
  const size = layout.font?.size ?? 13; // a page for projectors asks for more
  const axis = { gridcolor: lines, linecolor: lines, tickcolor: lines, tickfont: { size: size - 1 } };
  const title = isSmall(element) ? { text: "" } : {};
  const titled = (wanted) => ({ ...wanted, ...axis, title: { ...wanted.title, ...title, font: { size } } });
  return {
    ...layout,
    height: element.clientHeight || layout.height,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family, color: text, size },
    hoverlabel: { bgcolor: background, bordercolor: lines, align: "left", font: { family, color: text, size } },
    xaxis: titled(layout.xaxis),
    yaxis: titled(layout.yaxis),
  };
}

// The mark.

const isMark = (trace) => trace.meta === "mark";

function symbol({ symbol, size, color, line }) {
  if (symbol === "star") {
    const corner = (_, n) => {
      const [reach, angle] = [(n % 2 ? 0.267 : 0.7) * size, (n * Math.PI) / 5]; // plotly's star of this size
      return `${reach * Math.sin(angle)},${-reach * Math.cos(angle)}`;
    };
    return node("polygon", { points: Array.from({ length: 10 }, corner).join(" "), fill: color });
  }
  const open = symbol.endsWith("-open");
  const paint = open ? { fill: "none", stroke: color, "stroke-width": line.width } : { fill: color };
  return node("circle", { r: size / 2, ...paint });
}

// A point and its error bars where the axes are now; null where they do not show it.
function stood(trace, n, axes, bars, more, ...drawn) {
  const [x, y] = [trace.x[n], trace.y[n]];
  const [left, top] = [axes.xaxis.d2p(x), axes.yaxis.d2p(y)];
  if (left < 0 || left > axes.xaxis._length || top < 0 || top > axes.yaxis._length) return null;
  const place = `translate(${axes.xaxis._offset + left},${axes.yaxis._offset + top})`;
  return node("g", { transform: place, ...more }, ...errorBars({ ...trace, ...bars }, n, x, y, axes), ...drawn);
}

// Draws the mark, the error bars of the point under the mouse, and all words; also while the person drags the axes.
function mark(element) {
  const above = element.querySelector(".chart-mark") ?? element.appendChild(node("svg", { class: "chart-mark" }));
  const { _fullLayout: axes, hovered } = element;
  above.replaceChildren();
  if (!axes || !element.traces) return;
  if (hovered) above.append(stood(hovered.trace, hovered.n, axes, strong(hovered.trace)) ?? "");
  const { trace, setting } = element.foreseen ?? { trace: element.marked, setting: element.setting };
  const isThere = trace?.x?.length;
  const said = { "data-setting": setting, "data-words": trace?.text?.[0] ?? "" };
  const drawn = isThere && stood(trace, 0, axes, {}, said, symbol(trace.marker));
  if (drawn) above.append(drawn);
  placeWords(above, element.traces, axes, drawn ? trace : null);
}

// A trace's error bars as those of a point that stands out.
const strong = ({ error_x, error_y, marker: { color } }) => ({
  error_x: error_x && { ...error_x, color, thickness: 1.5 },
  error_y: error_y && { ...error_y, color, thickness: 1.5 },
});

// Shows the mark of another setting, { trace, setting }, until the server answers for that one; null takes it back.
function foresee(element, other) {
  if (!other && !element.foreseen) return;
  element.foreseen = other;
  mark(element);
}

const unseen = (trace) => ({
  ...trace,
  marker: { ...trace.marker, opacity: 0 },
  error_x: undefined,
  error_y: undefined,
});

// Drawing.

// Whether the axes stay as they are, so that the mark may move before the rest is drawn.
const sameAxes = (one, other) =>
  ["xaxis", "yaxis"].every((axis) => JSON.stringify(one[axis].range) === JSON.stringify(other[axis].range)) &&
  one.uirevision === other.uirevision;

const idle = () =>
  new Promise((resolve) =>
    window.requestIdleCallback ? requestIdleCallback(resolve, { timeout: 400 }) : setTimeout(resolve, 60),
  );

async function draw(element) {
  const { data } = element.asked;
  const overtaken = () => data.figure !== element.asked.data.figure || !element.isConnected;
  const Plotly = await library(data.library);
  if (overtaken()) return;
  const { data: traces, layout } = JSON.parse(data.figure, (_, value) => (value === INK ? textOf(element) : value));
  element.marked = traces.find(isMark);
  element.traces = traces.filter((trace) => !isMark(trace));
  element.hovered = null;
  element.setting = data.marked;
  if (element.foreseen?.setting === data.marked) element.foreseen = null;
  const first = !element.classList.contains("js-plotly-plot");
  if (!first && sameAxes(layout, element.drawn)) {
    mark(element);
    await idle();
    if (overtaken()) return;
  }
  element.drawn = layout;
  const shown = traces.map((trace) => wordless(isMark(trace) ? unseen(trace) : trace));
  await Plotly.react(element, shown, themed(layout, element), CONFIG);
  mark(element);
  if (first) listen(element, Plotly);
}

function listen(element, Plotly) {
  const hover = (hovered) => {
    element.hovered = hovered;
    mark(element);
  };
  element.on("plotly_hover", ({ points: [{ data, pointNumber: n }] }) => {
    const trace = element.traces.find((trace) => trace.name === data.name);
    hover(trace && (trace.error_x || trace.error_y) ? { trace, n } : null);
  });
  element.on("plotly_unhover", () => hover(null));
  element.on("plotly_click", (event) => {
    const point = event.points.find((point) => point.customdata);
    if (point) element.asked.clicked(point.customdata);
  });
  element.on("plotly_relayouting", () => mark(element));
  element.on("plotly_afterplot", () => mark(element));
  let small = isSmall(element);
  element.resizing = new ResizeObserver(() => {
    if (!element.offsetWidth) return;
    if (small === isSmall(element)) return Plotly.Plots.resize(element);
    small = isSmall(element);
    Plotly.react(element, element.data, themed(element.drawn, element), CONFIG);
  });
  element.resizing.observe(element);
}

const SCHEME = matchMedia("(prefers-color-scheme: dark)");

export default function ({ data, parentElement, setTriggerValue }) {
  const element = parentElement.querySelector(".chart-view");
  const before = element.asked?.data;
  const isNews = before?.figure !== data.figure || before.marked !== data.marked;
  element.foresee = (mark) => foresee(element, mark);
  element.asked = { data, clicked: (recipeId) => setTriggerValue("clicked", recipeId) };
  element.style.height = `${data.height}px`;
  element.setAttribute("role", "figure");
  element.setAttribute("aria-label", data.alt);
  const redraw = () =>
    draw(element).catch((error) => {
      element.textContent = `The chart cannot be drawn: ${error.message}. Reload the page.`;
    });
  if (isNews) redraw();
  SCHEME.removeEventListener("change", element.repaint); // this is called for each answer of the server
  element.repaint = () => setTimeout(redraw, 200); // after the page has taken on its new colours
  SCHEME.addEventListener("change", element.repaint);
  return () => SCHEME.removeEventListener("change", element.repaint);
}
