"""A worker for BuildGrid: takes leases and runs each action with buildbox-run, one at a time.

usage: worker.py SERVER INSTANCE NAME RUNNER [KEY=VALUE]...
"""

import os
import subprocess
import sys
import tempfile
import threading
import time

import grpc
from buildgrid._protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as execution
from buildgrid._protos.google.bytestream import bytestream_pb2, bytestream_pb2_grpc
from buildgrid._protos.google.devtools.remoteworkers.v1test2 import bots_pb2, bots_pb2_grpc, worker_pb2

SERVER, INSTANCE, NAME, RUNNER, *PROPERTIES = sys.argv[1:]


class Job(threading.Thread):
    """One lease."""

    def __init__(self, lease, contents, wake):
        super().__init__(daemon=True)
        self.lease, self.contents, self.wake = lease, contents, wake
        self.process = self.result = None
        self.code, self.message, self.finished = grpc.StatusCode.INTERNAL.value[0], "it was not run", False
        self.start()

    def action(self):
        action = execution.Action()
        if self.lease.payload.Is(execution.Action.DESCRIPTOR):
            self.lease.payload.Unpack(action)
            return action
        digest = execution.Digest()
        self.lease.payload.Unpack(digest)
        name = f"{INSTANCE}/blobs/{digest.hash}/{digest.size_bytes}"
        parts = self.contents.Read(bytestream_pb2.ReadRequest(resource_name=name))
        action.ParseFromString(b"".join(part.data for part in parts))
        return action

    def run(self):
        try:
            with tempfile.TemporaryDirectory(prefix="lease-") as place:
                with open(f"{place}/action", "wb") as file:
                    file.write(self.action().SerializeToString())
                with open(f"{place}/said", "wb") as said:
                    self.process = subprocess.Popen(
                        [RUNNER, f"--remote=http://{SERVER}", f"--instance={INSTANCE}", f"--action={place}/action",
                         f"--action-result={place}/result", "--log-level=warning", "--disable-localcas"],
                        stderr=said)
                    code = self.process.wait()
                if os.path.exists(f"{place}/result"):
                    with open(f"{place}/result", "rb") as file:
                        self.result = execution.ActionResult.FromString(file.read())
                    self.result.execution_metadata.worker = NAME
                with open(f"{place}/said") as said:
                    self.message = said.read()[-2000:]
                if code == 0:
                    self.code = 0
        except Exception as error:
            self.message = repr(error)
        self.finished = True
        self.wake.set()


def work(channel):
    bots, contents = bots_pb2_grpc.BotsStub(channel), bytestream_pb2_grpc.ByteStreamStub(channel)
    wake, jobs, session = threading.Event(), {}, None
    properties = [worker_pb2.Device.Property(key=key, value=value)
                  for key, value in (text.split("=", 1) for text in PROPERTIES)]
    while True:
        try:
            if session is None:
                worker = worker_pb2.Worker(devices=[worker_pb2.Device(handle=NAME, properties=properties)])
                session = bots.CreateBotSession(bots_pb2.CreateBotSessionRequest(
                    parent=INSTANCE,
                    bot_session=bots_pb2.BotSession(bot_id=NAME, status=bots_pb2.OK, worker=worker)), timeout=15)
            for gone in set(jobs) - {lease.id for lease in session.leases}:
                job = jobs.pop(gone)
                if job.process and not job.finished:
                    job.process.terminate()
                print(NAME, "lost", gone, flush=True)
            for lease in session.leases:
                if lease.id not in jobs:
                    lease.state = bots_pb2.ACTIVE
                    jobs[lease.id] = Job(lease, contents, wake)
                    print(NAME, "took", lease.id, flush=True)
                elif jobs[lease.id].finished and lease.state != bots_pb2.COMPLETED:
                    job = jobs[lease.id]
                    lease.state = bots_pb2.COMPLETED
                    lease.status.code, lease.status.message = job.code, job.message
                    print(NAME, "ended", lease.id, job.code, job.message, flush=True)
                    if job.result is not None:
                        lease.result.Pack(job.result)
            session = bots.UpdateBotSession(
                bots_pb2.UpdateBotSessionRequest(name=session.name, bot_session=session), timeout=15)
            # While something runs this is the sign of life; else the update waits for something to do.
            if any(not job.finished for job in jobs.values()):
                wake.wait(2)
            wake.clear()
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
                print(NAME, error.code(), error.details(), flush=True)
                session = None
                time.sleep(0.5)


work(grpc.insecure_channel(SERVER, options=[("grpc.max_reconnect_backoff_ms", 1000)]))
