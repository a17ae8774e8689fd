// Follows the task whose id is its argument to its end: prints every version once, in order.
//
// When the stream breaks off it is opened again, after the version that was seen last.
import { mayPass, open, pause, withKey } from "./countermand.js";

const [taskId] = process.argv.slice(2);
const cancellations = open("Cancellation");
let seen = "0";

// Reads one stream. Returns whether the task has ended; else it broke off.
async function follow() {
  const watch = cancellations.WatchTask({ task_id: taskId, after_version: seen }, withKey());
  try {
    for await (const { type, task, last } of watch) {
      if (type === "WATCH_TYPE_CHANGE") {
        console.log(task.version, task.state);
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
cancellations.close();
