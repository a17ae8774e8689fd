// Does the pending tasks of the group whose id is its argument.
//
// It holds one lease for all of its tasks, and renews it by heartbeats, which also tell what to stop.
// Every call for a task carries its fence. Before it takes money it asks.
import { call, isRefusedAs, open } from "./countermand.js";

const [groupId] = process.argv.slice(2);
const lease = { agent_id: `worker-${process.pid}`, lease_duration: { seconds: 30 } };
const agents = open("Agent");
const tasks = open("Task");
const stopped = new Set();

async function beat() {
  const { stops } = await call(agents, "Heartbeat", lease);
  for (const stop of stops) stopped.add(stop.task_id);
}

// Pays for a task that is held, unless it is to stop. Returns how it ends.
async function pay(held) {
  if (stopped.has(held.task_id)) return "FINISH_OUTCOME_CANCELLED";
  try {
    await call(agents, "BeginCharge", held);
  } catch (error) {
    if (isRefusedAs(error, "CANCELLATION_REQUESTED")) return "FINISH_OUTCOME_CANCELLED";
    throw error;
  }
  console.log("paid", held.task_id); // take the money here
  await call(agents, "ReportCharge", { ...held, charge_state: "CHARGE_STATE_CAPTURED" });
  return "FINISH_OUTCOME_COMPLETED";
}

async function doTask(taskId) {
  const { fence } = await call(agents, "StartTask", { ...lease, task_id: taskId });
  const held = { task_id: taskId, fence };
  await call(agents, "FinishTask", { ...held, outcome: await pay(held) });
}

const beating = setInterval(() => beat().catch((error) => console.error(error.message)), 10_000);
const filter = { group_id: groupId };
const pending = { filter, states: ["TASK_STATE_PENDING"], page_size: 1000 };
for (let page; page?.next_page_token !== ""; pending.page_token = page.next_page_token) {
  page = await call(tasks, "ListTasks", pending);
  for (const task of page.tasks) await doTask(task.task_id);
}
clearInterval(beating);
agents.close();
tasks.close();
