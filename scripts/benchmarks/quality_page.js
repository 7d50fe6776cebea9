const root = document.getElementById("pictures");
if (root) {
  document.documentElement.classList.add("js");
  const by = (id) => document.getElementById(id);
  const articles = [...root.querySelectorAll("article")];
  const shownFigures = () => {
    const article = articles[by("prompt").value];
    const runs = root.querySelector("input[name=runs]:checked").value;
    const group = [...article.querySelectorAll(".group")].find((g) => g.dataset.runs === runs);
    return [...group.querySelectorAll("figure")];
  };
  const place = () => {
    const at = by("slider").value;
    by("over").style.clipPath = `inset(0 ${100 - at}% 0 0)`;
    by("handle").style.left = `${at}%`;
  };
  const load = () => {
    const figures = shownFigures();
    for (const [picker, image] of [["left", "over"], ["right", "under"]]) {
      const figure = figures[by(picker).value];
      by(image).src = figure.querySelector("img").src;
      by(image).alt = figure.dataset.name;
    }
    by("stage").classList.toggle("difference", by("difference").checked);
    by("slider").disabled = by("difference").checked;
    place();
  };
  const fill = (picker, figures, fallback) => {
    const select = by(picker);
    const before = select.selectedOptions[0]?.dataset.family;
    select.replaceChildren(...figures.map((figure, i) => {
      const option = new Option(figure.dataset.name, i);
      option.dataset.family = figure.querySelector(".name").textContent;
      return option;
    }));
    const same = [...select.options].findIndex((option) => option.dataset.family === before);
    select.value = same >= 0 ? same : Math.min(fallback, figures.length - 1);
  };
  const change = () => {
    const runs = root.querySelector("input[name=runs]:checked").value;
    articles.forEach((article, i) => {
      article.hidden = String(i) !== by("prompt").value;
      article.querySelectorAll(".group").forEach((g) => { g.hidden = g.dataset.runs !== runs; });
    });
    const figures = shownFigures();
    const native = figures.findIndex((figure) => figure.dataset.name.startsWith("native"));
    fill("left", figures, 0);
    fill("right", figures, native > 0 ? native : 1);
    load();
  };
  root.querySelector("form").addEventListener("change", change);
  for (const id of ["left", "right", "difference"]) by(id).addEventListener("change", load);
  by("slider").addEventListener("input", place);
  const drag = (event) => {
    if (event.buttons !== 1 && event.type !== "pointerdown") return;
    const box = by("stage").getBoundingClientRect();
    const at = 100 * (event.clientX - box.left) / box.width;
    by("slider").value = Math.max(0, Math.min(100, at));
    place();
  };
  by("stage").addEventListener("pointerdown", drag);
  by("stage").addEventListener("pointermove", drag);
  change();
}
