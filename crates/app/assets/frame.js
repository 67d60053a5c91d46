// What the frame around every page does with script: menus close by themselves, and buttons that must be held.
// Without script the menus are closed by the control that opened them, and such a button asks on a page of its own.

for (const menu of document.querySelectorAll("[data-menu]")) {
  document.addEventListener("pointerdown", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

// A button that acts when it is held, so that nobody switches anything in passing: by pointer, by the space bar or Enter.
// A screen reader presses without holding; it has read the question, and its press counts.
// As long as the style sheet's line takes to fill.
const HOLD_MS = 800;

function mustBeHeld(button) {
  const note = document.getElementById(button.getAttribute("aria-describedby"));
  if (note) note.hidden = false;
  let timer;
  const end = () => {
    clearTimeout(timer);
    button.classList.remove("held");
  };
  const begin = () => {
    end();
    button.classList.add("held");
    timer = setTimeout(() => {
      end();
      button.form.requestSubmit(button);
    }, HOLD_MS);
  };
  button.addEventListener("pointerdown", (event) => event.button === 0 && begin());
  for (const name of ["pointerup", "pointerleave", "pointercancel", "blur", "keyup"]) button.addEventListener(name, end);
  const isPress = (event) => event.key === " " || event.key === "Enter";
  button.addEventListener("keydown", (event) => {
    if (!isPress(event)) return;
    event.preventDefault();
    if (!event.repeat) begin();
  });
  // The space bar's release would press it.
  button.addEventListener("keyup", (event) => isPress(event) && event.preventDefault());
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  button.addEventListener("click", (event) => {
    const isFromAField = document.activeElement !== button && button.form.contains(document.activeElement);
    if (event.detail === 0 && !isFromAField) return;
    event.preventDefault();
    button.focus();
  });
}
for (const button of document.querySelectorAll("[data-hold]")) mustBeHeld(button);

// A part of the page that is asked for anew waits as long as somebody is in it with the keyboard: it would be taken away
// under their hands.
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (part.matches("[hx-trigger*=refresh]") && part.querySelector(":focus-visible")) event.preventDefault();
});
