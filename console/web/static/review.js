"use strict";
// The review desk by keyboard: a accept, c correct, r reject; Enter sends what was begun, Escape takes it back.
(() => {
  const form = document.getElementById("decide");
  if (!form) return;
  const reason = form.elements.reason;
  const send = (decision) => { form.elements.decision.value = decision; form.requestSubmit(); };
  const begin = {
    accept: () => send("accept"),
    send: () => send("correct"),
    reject: () => { if (reason.value.trim()) send("reject"); else { reason.required = true; reason.focus(); form.elements.decision.value = "reject"; } },
    correct: () => {
      const first = form.classList.toggle("correcting") && (form.querySelector("tr.marked input") ?? form.querySelector(".fix input"));
      form.elements.decision.value = "correct";
      first?.focus();
      first?.select();
    },
  };
  form.querySelectorAll("[data-begin]").forEach((button) => button.addEventListener("click", () => begin[button.dataset.begin]()));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.closest("input")) {
      event.preventDefault();
      form.classList.remove("correcting");
      reason.required = false;
      event.target.blur();
    }
    if (event.key === "Enter" && event.target.closest("input")) {
      event.preventDefault();
      if (event.target.closest(".fix")) send("correct");
      else if (reason.value.trim()) send(form.classList.contains("correcting") ? "correct" : form.elements.decision.value || "reject");
    }
  });
  if (form.dataset.hold) {
    setInterval(async () => {
      if (document.hidden) return;
      const answer = await fetch(form.dataset.hold, { method: "POST", headers: { "x-csrf-token": form.elements.csrf.value } });
      if (!answer.ok) location.reload();
    }, 120000);
  }
  form.addEventListener("submit", (event) => {
    if (!form.elements.decision.value || form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
  });
})();
