/** A command of steps.sh. */
export const step = (words) => `bash scripts/jobs/steps.sh ${words}`;
