"""A Celery app whose task does nothing: the peer of jobs.py. Started as its worker, and as what fills its queue."""

import multiprocessing
import os
import sys
import time
import uuid

from celery import Celery

app = Celery("nothing", broker=os.environ["BROKER"])
# As ours: a job is gone only after it is done, nobody stores a result, and a worker that dies loses nothing.
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ.get("PREFETCH", "4")),
    broker_connection_retry_on_startup=True,
)


@app.task(name="nothing")
def nothing(asset):
    pass


def fill(count):
    for _ in range(count):
        nothing.delay(str(uuid.uuid4()))


def main():
    """Enqueues so many from so many processes; prints how many a second."""
    count, callers = map(int, sys.argv[1:])
    nothing.delay(str(uuid.uuid4()))
    ready, go = multiprocessing.Semaphore(0), multiprocessing.Event()

    def caller():
        nothing.delay(str(uuid.uuid4()))
        ready.release()
        go.wait()
        fill(count // callers)

    processes = [multiprocessing.Process(target=caller) for _ in range(callers)]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    begun = time.perf_counter()
    go.set()
    for process in processes:
        process.join()
    print(count / (time.perf_counter() - begun))


if __name__ == "__main__":
    main()
