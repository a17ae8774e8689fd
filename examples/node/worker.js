// Does the pending tasks of the group whose id is its argument.
//
// It holds one lease for all of its tasks, and renews it by heartbeats, which also tell what to stop.
// Every call for a task carries its fence. Before it takes money it asks.
import { AgentService, FinishOutcome } from "./build/countermand/v1/agent_service_pb.js";
import { ChargeState, TaskState } from "./build/countermand/v1/task_pb.js";
import { TaskService } from "./build/countermand/v1/task_service_pb.js";
import { call, isRefusedAs, open } from "./countermand.js";

const [groupId] = process.argv.slice(2);
const lease = { agentId: `worker-${process.pid}`, leaseDuration: { seconds: 30n } };
const client = open();
const { heartbeat, startTask, beginCharge, reportCharge, finishTask } = AgentService.method;
/** @type {Set<string>} */
const stopped = new Set();

async function beat() {
  const { stops } = await call(client, heartbeat, lease);
  for (const stop of stops) stopped.add(stop.taskId);
}

/**
 * Pays for a task that is held, unless it is to stop. Returns how it ends.
 *
 * @param {{ taskId: string, fence: bigint }} held
 */
async function pay(held) {
  if (stopped.has(held.taskId)) return FinishOutcome.CANCELLED;
  try {
    await call(client, beginCharge, held);
  } catch (error) {
    if (isRefusedAs(error, "CANCELLATION_REQUESTED")) return FinishOutcome.CANCELLED;
    throw error;
  }
  console.log("paid", held.taskId); // take the money here
  await call(client, reportCharge, { ...held, chargeState: ChargeState.CAPTURED });
  return FinishOutcome.COMPLETED;
}

/** @param {string} taskId */
async function doTask(taskId) {
  const { fence } = await call(client, startTask, { ...lease, taskId });
  const held = { taskId, fence };
  await call(client, finishTask, { ...held, outcome: await pay(held) });
}

const beating = setInterval(() => beat().catch((error) => console.error(error.message)), 10_000);
let pageToken = "";
do {
  const page = await call(client, TaskService.method.listTasks, {
    filter: { groupId },
    states: [TaskState.PENDING],
    pageSize: 1000,
    pageToken,
  });
  for (const task of page.tasks) await doTask(task.taskId);
  pageToken = page.nextPageToken;
} while (pageToken);
clearInterval(beating);
client.close();
