// Follows the task whose id is its argument to its end: prints every version once, in order.
//
// When the stream breaks off it is opened again, after the version that was seen last.
import { CancellationService, WatchType } from "./build/countermand/v1/cancellation_service_pb.js";
import { TaskStateSchema } from "./build/countermand/v1/task_pb.js";
import { mayPass, open, pause, stream } from "./countermand.js";

/** @import { WatchTaskResponse } from "./build/countermand/v1/cancellation_service_pb.js" */

const [taskId] = process.argv.slice(2);
const client = open();
let seen = 0n;

// Reads one stream. Returns whether the task has ended; else it broke off.
async function follow() {
  const { watchTask } = CancellationService.method;
  try {
    const watch = stream(client, watchTask, { taskId, afterVersion: seen });
    for await (const read of watch) {
      const { type, task, last } = /** @type {WatchTaskResponse} */ (read);
      if (task && type === WatchType.CHANGE) {
        console.log(`${task.version} ${TaskStateSchema.value[task.state].name}`);
        seen = task.version;
      }
      if (last) return true;
    }
  } catch (error) {
    if (!mayPass(error)) throw error;
  }
  return false;
}

while (!(await follow())) await pause();
client.close();
