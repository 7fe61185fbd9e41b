// Where an answer takes long, the page says that it is under way.
let late;
const wait = () => { late ??= setTimeout(() => { document.querySelector(".waiting").hidden = false; }, 300); };
addEventListener("submit", wait);
addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/']");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) wait();
});
addEventListener("pageshow", () => { clearTimeout(late); late = undefined; document.querySelector(".waiting").hidden = true; });

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
