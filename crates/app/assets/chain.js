// New blocks slide in at the head of the row.
import { listen } from "./live.js";

const chain = document.getElementById("chain");
// Beyond this the oldest leave the page; the ledger keeps them.
const KEPT = 240;

let asking = false;
let again = false;
async function fetchNewest() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    const answer = await fetch("/chain", { headers: { Accept: "text/html" } });
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The connection's state says it already.
  }
  asking = false;
  if (again) {
    again = false;
    fetchNewest();
  }
}

function show(page) {
  const wasAtHead = chain.scrollLeft < 60;
  for (const name of ["data-head", "data-final", "data-pool"]) {
    const [here, there] = [document, page].map((doc) => doc.querySelector(`[${name}]`));
    if (here && there) here.textContent = there.textContent;
  }
  const shown = new Map([...chain.children].map((cube) => [cube.dataset.height, cube]));
  for (const cube of [...page.getElementById("chain").children].reverse()) {
    const before = shown.get(cube.dataset.height);
    if (before) {
      if (before.textContent !== cube.textContent && !before.contains(document.activeElement)) before.replaceWith(cube);
    } else {
      cube.classList.add("arriving");
      chain.prepend(cube);
    }
  }
  if (wasAtHead) chain.scrollLeft = 0;
  while (chain.children.length > KEPT) chain.lastElementChild.remove();
}

if (chain && chain.hasAttribute("data-at-head")) {
  listen("block", fetchNewest);
  listen("final", fetchNewest);
}
