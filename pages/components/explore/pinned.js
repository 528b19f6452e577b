// On a phone the verdict and the charts lie below the sliders. As long as the first chart is below the screen, both stand
// at its foot, small (see page.css), so that one sees what a slider does.

const PHONE = matchMedia("(max-width: 640px)");

export default function () {
  const { classList } = document.body;
  // Which of the two thresholds was crossed: the chart comes back to its place only once half of it is there. What was
  // pinned leaves a gap, which must not make it come and go.
  const look = ([{ boundingClientRect: { top }, intersectionRatio: seen, rootBounds }]) => {
    const below = top > (rootBounds?.bottom ?? innerHeight) / 2;
    if (PHONE.matches && below && seen === 0) classList.add("pinned");
    if (!below || seen >= 0.5) classList.remove("pinned");
  };
  const observer = new IntersectionObserver(look, { threshold: [0, 0.5] });
  let waiting;
  const begin = () => {
    const chart = document.querySelector(".st-key-chart_left");
    if (chart) observer.observe(chart);
    else waiting = setTimeout(begin, 300);
  };
  begin();
  return () => {
    clearTimeout(waiting);
    observer.disconnect();
    classList.remove("pinned");
  };
}
