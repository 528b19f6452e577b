// Moves the mark on the charts together with a slider, to where the server said beforehand that each of the slider's
// positions is measured or expected. Its answer to the move says the same, a third of a second later.

const slider = (key) => document.querySelector(`.st-key-${key} input[type=range]`);
const position = (input) => Math.round((input.value - input.min) / input.step);

// Only what a person moves: sliders that follow a click elsewhere may do so before or after the rest of the page.
function foreseen(rows) {
  const moved = Object.entries(rows).filter(([key, row]) => slider(key) && position(slider(key)) !== row.at);
  if (moved.length !== 1) return null; // with two sliders away from where the server saw them, it knows no better
  const [key, row] = moved[0];
  return slider(key) === document.activeElement ? row.marks[position(slider(key))] : null;
}

// What was said of the position before is grey until the server has heard of the move.
function grey(rows) {
  const behind = Object.entries(rows).some(([key, row]) => slider(key) && position(slider(key)) !== row.at);
  document.querySelector(".st-key-verdict")?.toggleAttribute("data-behind", behind);
}

function show(rows) {
  grey(rows);
  const mark = foreseen(rows);
  for (const side of ["left", "right"]) {
    document.querySelector(`.st-key-chart_${side} .chart-view`)?.foresee?.(mark && { ...mark, trace: mark[side] });
  }
}

// What is asked between a click that leads to another page and that page's arrival, Streamlit answers with a page that
// is empty for good ("Bad delta path index"). So nothing is asked then.
const LEAVING_MS = 10_000;
let quietUntil = 0;
const leave = ({ type, target }) => {
  if (type === "popstate" || target.closest?.("a")) quietUntil = performance.now() + LEAVING_MS;
};

// Streamlit calls this for each answer of the server, and what it returns only at the end.
let stop = () => {};

export default function ({ data, setTriggerValue }) {
  stop();
  const rows = JSON.parse(data.rows);
  show(rows);
  const ask = () => performance.now() > quietUntil && setTriggerValue("again", true);
  const again = data.again_ms && setInterval(ask, data.again_ms);
  document.addEventListener("click", leave, true);
  window.addEventListener("popstate", leave);
  const observer = new MutationObserver((changes) => {
    if (changes.some(({ target }) => target === document.activeElement)) show(rows);
  });
  observer.observe(document.body, { subtree: true, attributeFilter: ["aria-valuetext"] });
  const end = () => {
    observer.disconnect();
    clearInterval(again);
    document.removeEventListener("click", leave, true);
    window.removeEventListener("popstate", leave);
  };
  stop = end;
  return end;
}
