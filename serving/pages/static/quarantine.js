"use strict";
// Start Airflow's re-drive for a feed: with the session of whoever looks at the page, so with their rights there.
const told = document.getElementById("redriven");
for (const button of document.querySelectorAll("[data-redrive]")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    const to = new URL(button.dataset.to, location.href);
    const answer = await fetch(to, {
      method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ logical_date: null, conf: { feed: button.dataset.redrive } }),
    });
    if (!answer.ok) {
      button.disabled = false;
      told.textContent = answer.status === 403 || answer.status === 401 ? "您在 Airflow 中没有启动流程 redrive 的权限。" : "未能启动，Airflow 答复 " + answer.status + "。";
      return;
    }
    const run = await answer.json();
    const link = document.createElement("a");
    link.href = new URL("../../../../dags/redrive/runs/" + encodeURIComponent(run.dag_run_id), to);
    link.addEventListener("click", (event) => { event.preventDefault(); openOutside(link.href); });
    link.textContent = "查看运行 " + run.dag_run_id;
    told.replaceChildren("已提交。", link);
  });
}
