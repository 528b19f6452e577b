// Writes cookies; keeps what Explore shows last; and makes fewer steps in the browser's history: where only a control
// moved, or a page that just opened says what it shows, the address is put in the place of the one before.
function ({ lines, places, always, view }) {
  for (const line of lines) document.cookie = line;
  const keep = () => {
    const value = encodeURIComponent(location.search.slice(1));
    if (location.pathname.endsWith(view.page) && value && value.length < view.most)
      document.cookie = `${view.name}=${value}${view.ending}`;
  };
  keep();
  if (window.compressionPlaces) return;
  window.compressionPlaces = true;
  const [push, replace] = [history.pushState.bind(history), history.replaceState.bind(history)];
  history.replaceState = (...step) => {
    replace(...step);
    keep();
  };
  history.pushState = (state, title, address) => {
    const next = new URL(address, location.href);
    const asked = new URLSearchParams(location.search);
    const isUnsaid = (name) => always.includes(name) && !(asked.has(name) && next.searchParams.has(name));
    const isSame = (name) => next.searchParams.get(name) === asked.get(name) || isUnsaid(name);
    const isSamePlace = next.pathname === location.pathname && places.every(isSame);
    (isSamePlace ? replace : push)(state, title, address);
    keep();
  };
}
