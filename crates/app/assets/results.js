// Another node's results are on that node's own page: its word, under its own address.
const form = document.getElementById("other");
form.hidden = false;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = new FormData(form).get("node").trim();
  try {
    const address = new URL("/results", /^https?:\/\//.test(typed) ? typed : `${location.protocol}//${typed}`);
    location.assign(address);
  } catch {
    form.querySelector("input").setAttribute("aria-invalid", "true");
    form.querySelector("input").focus();
  }
});
