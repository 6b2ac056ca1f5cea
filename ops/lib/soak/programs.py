"""gboost processes that are started again whenever they end, as an init system would."""

import os
import random
import signal
import socket
import subprocess
import threading
import time

from cluster import Failure


# Below what Linux gives to connections that ask for no port: one of those could take it before it is bound.
FREE_PORTS = range(15_000, 32_000)


def free_port():
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", random.choice(FREE_PORTS)))
                return probe.getsockname()[1]
            except OSError:
                continue


class Program:
    """One process, restarted until it is stopped."""

    def __init__(self, name, arguments, directory, environment=None):
        self.name = name
        self.arguments = arguments
        self.directory = directory
        self.environment = {**os.environ, **(environment or {})}
        self.starts = 0
        self.kills = 0
        self.is_stopping = False
        self.process = None
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.supervise, daemon=True)

    def start(self):
        self.thread.start()

    def supervise(self):
        while True:
            with self.lock:
                if self.is_stopping:
                    return
                with open(os.path.join(self.directory, self.name + ".log"), "ab") as log:
                    self.process = subprocess.Popen(
                        self.arguments, cwd=self.directory, env=self.environment, stdout=subprocess.DEVNULL,
                        stderr=log, stdin=subprocess.DEVNULL)
                self.starts += 1
            self.process.wait()
            time.sleep(0.2)

    def kill(self):
        with self.lock:
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.kills += 1

    def stop(self):
        """SIGTERM; the exit status."""
        with self.lock:
            self.is_stopping = True
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def wait_for_port(port, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise Failure(f"nothing listens on port {port}")
