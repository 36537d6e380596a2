"use strict";
// The sum on the button, as dishes are chosen.
const menu = document.querySelector("form.menu");
if (menu) {
  const currency = menu.dataset.currency.toUpperCase();
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits;
  const count = () => {
    let sum = 0;
    for (const dish of menu.querySelectorAll("[data-price]")) sum += dish.dataset.price * (dish.valueAsNumber || 0);
    menu.elements.sum.value = sum ? format.format(sum / 10 ** digits) : "";
  };
  menu.addEventListener("input", count);
  addEventListener("pageshow", count); // on the way back, fields keep their values
}

// Paying again is offered where there is something to pay.
const again = document.querySelector("form.again");
document.addEventListener("tillhook:change", e => {
  const left = again.dataset.left === "true";
  const offer = {
    PAYMENT_PENDING: left && "You have left without paying. The order waits for you.",
    PAYMENT_FAILED: "The bank has sent nothing. You can pay another way.",
    EXPIRED: "You can still have it: pay now.",
  }[e.detail.status];
  again.hidden = !offer;
  again.querySelector("p").textContent = offer || "";
});
