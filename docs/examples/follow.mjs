// 跟随变更流：新发现一出现就打印 · Follow the change feed: new findings as they come. Usage: node follow.mjs <API 地址> <密钥> [cursor]
// Keep the printed cursor: given again, it goes on from there without a gap.
const [base, key, given] = process.argv.slice(2);

async function ask(query) {
  const answer = await fetch(`${base}/v1/changes?${new URLSearchParams(query)}`, { headers: { "X-API-Key": key } });
  const told = await answer.json();
  if (!answer.ok) throw new Error(`${told.code}: ${told.messages.zh}`);
  return told;
}

let cursor = given, more = true;
while (more) {
  const page = await ask({ entities: "finding", limit: 1000, ...(cursor ? { cursor } : { from: "start" }) });
  for (const change of page.items) {
    if (change.op === "ADD") console.log("新发现", change.id, change.after.rule, change.after.department_name, change.after.text);
    else if (change.columns?.includes("state")) console.log("状态", change.id, change.before.state, "→", change.after.state);
  }
  ({ next: cursor, more } = page);
}
console.log("cursor", cursor);
