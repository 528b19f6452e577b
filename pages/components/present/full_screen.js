// A button that fills the whole screen with the page, and back. Leaving with the Escape key counts too.

export default function ({ data, parentElement, setTriggerValue }) {
  const button = parentElement.querySelector("button");
  button.textContent = data.full ? "Leave full screen" : "Full screen";
  button.onclick = () => {
    // The browser may refuse, inside another page for example: the menu and the controls go all the same.
    if (!data.full) document.documentElement.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) document.exitFullscreen();
    setTriggerValue("wanted", data.full ? "off" : "on");
  };
  const left = () => {
    if (data.full && !document.fullscreenElement) setTriggerValue("wanted", "off");
  };
  const escaped = (event) => {
    if (data.full && event.key === "Escape" && !document.fullscreenElement) setTriggerValue("wanted", "off");
  };
  document.addEventListener("fullscreenchange", left);
  document.addEventListener("keydown", escaped);
  return () => {
    document.removeEventListener("fullscreenchange", left);
    document.removeEventListener("keydown", escaped);
  };
}
