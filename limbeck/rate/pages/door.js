// A link's secret stands behind its "#", which is sent to nobody; here it is traded for a cookie.
"use strict";

async function enter() {
  const secret = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  const answer = await fetch("/enter", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ secret }),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  location.replace(said.to);
}

enter().catch((error) => {
  document.getElementById("said").textContent = `The desk did not open: ${error.message}.`;
});
