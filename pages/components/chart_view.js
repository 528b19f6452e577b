// Draws a plotly figure and keeps drawing into the same chart: new points move in, and what the person
// zoomed stays. (Streamlit's own chart element is replaced whenever its figure changes.)

const loading = {};

function library(address) {
  loading[address] ??= new Promise((resolve, reject) => {
    if (window.Plotly) return resolve(window.Plotly);
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error(`${address} could not be loaded`));
    document.head.append(script);
  });
  return loading[address];
}

function themed(layout, element) {
  const style = getComputedStyle(element);
  const value = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const text = value("--st-text-color", style.color);
  const background = value("--st-background-color", "#ffffff");
  const lines = value("--st-border-color-light", value("--st-border-color", "#8884"));
  const family = value("--st-font", style.fontFamily);
  const axis = { gridcolor: lines, linecolor: lines, tickcolor: lines, tickfont: { size: 12 } };
  const titled = (wanted) => ({ ...wanted, ...axis, title: { ...wanted.title, font: { size: 13 } } });
  return {
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family, color: text, size: 13 },
    hoverlabel: { bgcolor: background, bordercolor: lines, align: "left", font: { family, color: text, size: 13 } },
    xaxis: titled(layout.xaxis),
    yaxis: titled(layout.yaxis),
  };
}

async function draw(element) {
  const { data, clicked } = element.asked;
  const Plotly = await library(data.library);
  if (data !== element.asked.data || !element.isConnected) return; // overtaken by newer data
  const { data: traces, layout } = JSON.parse(data.figure);
  const first = !element.classList.contains("js-plotly-plot");
  await Plotly.react(element, traces, themed(layout, element), data.config);
  if (!first) return;
  element.on("plotly_click", (event) => {
    const point = event.points.find((point) => point.customdata);
    if (point) element.asked.clicked(point.customdata);
  });
  element.resizing = new ResizeObserver(() => element.offsetWidth && Plotly.Plots.resize(element));
  element.resizing.observe(element);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const element = parentElement.querySelector(".chart-view");
  element.asked = { data, clicked: (recipeId) => setTriggerValue("clicked", recipeId) };
  element.style.height = `${data.height}px`;
  element.setAttribute("role", "figure");
  element.setAttribute("aria-label", data.alt);
  draw(element).catch((error) => {
    element.textContent = `The chart cannot be drawn: ${error.message}. Reload the page.`;
  });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => setTimeout(() => draw(element), 200); // after the page has taken on its new colours
  scheme.addEventListener("change", repaint);
  return () => scheme.removeEventListener("change", repaint);
}
