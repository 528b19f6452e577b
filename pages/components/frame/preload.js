function ({ library, elements }) {
  for (const address of elements) import(address).catch(() => {}); // it is loaded again where it is needed
  if (window.Plotly || document.querySelector(`script[src="${library}"]`)) return;
  const script = document.createElement("script");
  script.src = library;
  script.onerror = () => script.remove(); // a chart tries again, and says so where that fails
  document.head.append(script);
}
