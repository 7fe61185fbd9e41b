// Where an answer takes long, the page says that it is under way.
const waiting = document.querySelector(".waiting");
let late;
const begin = () => { late ??= setTimeout(() => { waiting.hidden = false; }, 300); };
const end = () => { clearTimeout(late); late = undefined; waiting.hidden = true; };
addEventListener("submit", (event) => { if (event.target.method !== "dialog") begin(); });
addEventListener("pageshow", end);

// Why a Pin was found opens beside the feed; in a new tab, or without this script, it is a page of its own.
const panel = document.querySelector("dialog.panel");
const explain = async (link) => {
  begin();
  try {
    const answer = await fetch(`${link.href}&panel=1`, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.status);
    panel.querySelector(".inside").innerHTML = await answer.text(); // rendered by the service with everything escaped
    end();
    panel.showModal();
    panel.scrollTop = 0;
  } catch {
    location.assign(link.href); // that page says what is wrong
  }
};
addEventListener("click", (event) => {
  if (event.target === panel) panel.close(); // beside it
  const link = event.target.closest("a[href^='/']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (!panel || !link.matches("[data-panel]")) return begin();
  event.preventDefault();
  explain(link);
});

// Pins keep their own heights: each goes where it stands highest, but no higher than the one before it. A browser that
// knows lanes needs no help.
if (!CSS.supports("display", "grid-lanes")) {
  const fit = new ResizeObserver((changed) => {
    for (const { target } of changed) target.style.gridRowEnd = `span ${Math.ceil(target.offsetHeight) + 16}`;
  });
  for (const feed of document.querySelectorAll("ol.results")) {
    feed.classList.add("lanes");
    for (const pin of feed.children) fit.observe(pin, { box: "border-box" });
  }
}
