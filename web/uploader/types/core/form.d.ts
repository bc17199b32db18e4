/** Sends the file where it is small and the service says where to. Answers whether the service has it; if not, nothing is known: the
 * upload is looked at again, and goes on in its own way. @param {Job} job @param {string | undefined} url */
export function sendForm(job: Job, url: string | undefined): Promise<boolean | undefined>;
export function isSmall({ size }: {
    size: number;
}): boolean;
export type Job = import("./job.js").Job;
