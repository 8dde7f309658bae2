// What to ask for when the viewer chooses something.

/** The log of a run with all its tasks. */
export const WHOLE_RUN = { task_id: null, attempt: null };

/** The page of a run. */
export function runPage(id) {
  return { tab: "run", run_id: id, ...WHOLE_RUN };
}
