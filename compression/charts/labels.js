// Words beside the points of a plotly chart, each where there is room: not on another, on a marker or on the front, and
// not cut off by an end of the chart. Plotly would write them where it is told, whatever is there. Used by the pages'
// charts and by reports. Places are pixels from the upper left corner of what lies between the axes.

const INK = "#1d2129"; // stands for the colour of words, whatever that is on the page
const WORDS = "markers+text"; // `mode` of traces whose words are placed here
const AWAY = [4, 18, 36, 60, 90, 130, 180, 240, 320]; // how far words may be from their marker; a thin line leads to the farther ones
const NEAR = 60; // how far those may be that can be done without: traces with `meta` "corners"
const SIDES = [[1, 0], [-1, 0], [0, -1], [0, 1], [1, -1], [1, 1], [-1, -1], [-1, 1]];
const LINE = 1.25; // the height of a line of words over that of its letters
const HALO = 1.5; // how far the paper's colour reaches around words
const SPREAD = { star: 1.4, diamond: 1.3, cross: 1.2, "triangle-up": 1.16, "triangle-down": 1.16 }; // over half its size

function node(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The trace as plotly is to draw it.
const wordless = (trace) => (trace.mode === WORDS ? { ...trace, mode: "markers", text: undefined } : trace);

const each = (value, n) => (Array.isArray(value) ? value[n] : value);

// How far a marker reaches from its middle.
function reachOf({ size, symbol = "circle", line } = {}, n) {
  const stroke = symbol.endsWith("-open") ? (line?.width ?? 0) / 2 : 0;
  return ((each(size, n) ?? 0) / 2) * (SPREAD[symbol.replace("-open", "")] ?? 1) + stroke;
}

function pointsOf(trace, { xaxis, yaxis }) {
  const found = (trace.x ?? []).map((x, n) => ({
    n, x: xaxis.d2p(x), y: yaxis.d2p(trace.y[n]), reach: reachOf(trace.marker, n), words: each(trace.text, n),
  }));
  return found.filter(({ x, y }) => x >= 0 && x <= xaxis._length && y >= 0 && y <= yaxis._length);
}

function errorBars({ error_x, error_y }, n, x, y, { xaxis, yaxis }) {
  const line = (bar, ends) => node("line", { ...ends, stroke: bar.color, "stroke-width": bar.thickness });
  const across = (by) => xaxis.d2p(x + by) - xaxis.d2p(x);
  const up = (by) => yaxis.d2p(y + by) - yaxis.d2p(y);
  return [
    ...(error_x?.array ? [line(error_x, { x1: across(-error_x.arrayminus[n]), x2: across(error_x.array[n]) })] : []),
    ...(error_y?.array ? [line(error_y, { y1: up(-error_y.arrayminus[n]), y2: up(error_y.array[n]) })] : []),
  ];
}

const around = (x, y, reach) => ({ left: x - reach, top: y - reach, right: x + reach, bottom: y + reach });
const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

// How far the upright error bar of a point reaches: [up, down], in pixels that count downwards.
function uprightBar({ y, error_y }, n, { yaxis }) {
  return [y[n] + error_y.array[n], y[n] - error_y.arrayminus[n]].map((end) => yaxis.d2p(end));
}

// What words must not cover: markers that are seen, error bars that stand out, and the steps of the front.
function obstacles(traces, axes) {
  const found = [];
  for (const trace of traces) {
    const points = pointsOf(trace, axes);
    for (const { n, x } of trace.error_y?.thickness > 1 ? points : []) {
      const [top, bottom] = uprightBar(trace, n, axes);
      found.push({ left: x - 2, right: x + 2, top, bottom });
    }
    if (trace.marker?.opacity !== 0) found.push(...points.map(({ x, y, reach }) => around(x, y, reach + 1)));
    if (trace.line?.shape !== "hv") continue;
    points.slice(1).forEach(({ x, y }, n) => {
      const [from, level] = [points[n].x, points[n].y];
      found.push({ left: from, right: x, top: level - 2, bottom: level + 2 });
      found.push({ left: x - 2, right: x + 2, top: Math.min(y, level), bottom: Math.max(y, level) });
    });
  }
  return found;
}

function* candidates({ x, y, reach }, width, height, most) {
  for (const away of AWAY.filter((away) => away <= most)) {
    for (const [right, down] of SIDES) {
      const side = (reach + away) * (right && down ? 0.7 : 1);
      const left = x + right * side - (width * (1 - right)) / 2;
      const top = y + down * side - (height * (1 - down)) / 2;
      yield { left, top, right: left + width, bottom: top + height, away };
    }
  }
}

function written(lines, { color, size, weight = 400 }, paper) {
  const look = { fill: color, "font-size": size, "font-weight": weight };
  const halo = { stroke: paper, "stroke-width": 2 * HALO, "stroke-linejoin": "round", "paint-order": "stroke" };
  const parts = lines.map((words, n) => node("tspan", { x: 0, y: (0.95 + LINE * n) * size }, words));
  return node("text", { ...look, ...halo }, ...parts);
}

// Writes the words of all traces into `above`, an SVG that covers the chart; those of `first` get the best places.
function placeWords(above, traces, axes, first) {
  const every = first ? [first, ...traces] : traces;
  const worded = every.filter(({ mode }) => mode === WORDS);
  if (!worded.length) return;
  const taken = obstacles(every, axes);
  const corner = `translate(${axes.xaxis._offset},${axes.yaxis._offset})`;
  const all = above.appendChild(node("g", { class: "chart-words", transform: corner }));
  const isInside = ({ left, top, right, bottom }) =>
    left >= 0 && top >= 0 && right <= axes.xaxis._length && bottom <= axes.yaxis._length;
  for (const trace of worded) {
    for (const point of pointsOf(trace, axes).filter(({ words }) => words)) {
      const lines = String(point.words).split("<br>");
      const text = all.appendChild(written(lines, trace.textfont, axes.hoverlabel.bgcolor));
      const width = text.getBBox().width + 2 * HALO;
      const height = lines.length * LINE * trace.textfont.size + 2 * HALO;
      const own = around(point.x, point.y, point.reach + 1);
      const isFree = (box) => isInside(box) && !taken.some((other) => meet(box, other));
      const most = trace.meta === "corners" ? NEAR : Infinity;
      const box = [...candidates(point, width, height, most)].find(isFree);
      if (!box) {
        text.remove();
        continue;
      }
      text.setAttribute("transform", `translate(${box.left + HALO},${box.top + HALO})`);
      taken.push(box);
      if (box.away > AWAY[0]) {
        const [x2, y2] = [Math.min(Math.max(point.x, box.left), box.right), Math.min(Math.max(point.y, box.top), box.bottom)];
        const [x1, y1] = [Math.min(Math.max(x2, own.left), own.right), Math.min(Math.max(y2, own.top), own.bottom)];
        all.prepend(node("line", { x1, y1, x2, y2, stroke: trace.textfont.color, "stroke-opacity": 0.5 }));
      }
    }
  }
}
