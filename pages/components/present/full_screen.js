// A button that fills the whole screen with the page, and back. Leaving with the Escape key counts too.

let over = new AbortController();

export default function ({ data, parentElement, setTriggerValue }) {
  const button = parentElement.querySelector("button");
  button.textContent = data.full ? "Leave full screen" : "Full screen";
  button.onclick = () => {
    // The browser may refuse, inside another page for example: the menu and the controls go all the same.
    if (!data.full) document.documentElement.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) document.exitFullscreen();
    setTriggerValue("wanted", data.full ? "off" : "on");
  };
  const left = (event) => {
    const isOtherKey = event.type === "keydown" && event.key !== "Escape";
    if (data.full && !isOtherKey && !document.fullscreenElement) setTriggerValue("wanted", "off");
  };
  over.abort(); // this is called for each answer of the server
  over = new AbortController();
  for (const event of ["fullscreenchange", "keydown"]) document.addEventListener(event, left, { signal: over.signal });
  return () => over.abort();
}
