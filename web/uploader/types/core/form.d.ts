/** Once in a job, sends the file where it is small and the service says where to. `taken`: the service has it. `unknown`: what became of it
 * only the service knows. `untried`: nothing has changed, and the file goes its ordinary way; so it is, too, where a proxy did not let the
 * form through. @param {Job} job @param {string | undefined} url @returns {Promise<"taken" | "unknown" | "untried">} */
export function sendForm(job: Job, url: string | undefined): Promise<"taken" | "unknown" | "untried">;
export function isSmall({ size }: {
    size: number;
}): boolean;
export type Job = import("./job.js").Job;
